-- Returns the users that other nodes report as present. KEYS: presence, nodes, as in `report_presence.lua`. ARGV: node, maximum of users.
-- Returns the number of all users, and for each of at most that many id and record.

local at = now()
local is_valid = {}
local reports = call('HGETALL', KEYS[2])
for i = 1, #reports, 2 do
  is_valid[reports[i]] = reports[i] ~= ARGV[1] and tonumber(reports[i + 1]) > at
end
local records, order = {}, {}
local present = call('HGETALL', KEYS[1])
for i = 1, #present, 2 do
  if is_valid[string.sub(present[i], 1, 16)] then
    local id, record = string.sub(present[i], 17), present[i + 1]
    if not records[id] then
      order[#order + 1] = id
    end
    -- One device may have proven more than another.
    if not records[id] or string.byte(record) == 111 then
      records[id] = record
    end
  end
end
local reply = { 'ok', tostring(#order) }
for i = 1, math.min(#order, ARGV[2]) do
  reply[#reply + 1] = order[i]
  reply[#reply + 1] = records[order[i]]
end
return reply
