-- Returns the users that other nodes report as present. KEYS: presence, nodes, as in `report_presence.lua`. ARGV: node, maximum
-- of users. Returns the number of users, and for each of at most that many id and record. A user beyond the maximum whom this
-- node reports, too, is not in the number: this node counts it.

local at = now()
local is_valid = {}
local reports = call('HGETALL', KEYS[2])
for i = 1, #reports, 2 do
  is_valid[reports[i]] = reports[i] ~= ARGV[1] and tonumber(string.match(reports[i + 1], '^%d+') or 0) > at
end
local records, order, is_here = {}, {}, {}
local present = call('HGETALL', KEYS[1])
for i = 1, #present, 2 do
  local from, id, record = string.sub(present[i], 1, 16), string.sub(present[i], 17), present[i + 1]
  is_here[id] = is_here[id] or from == ARGV[1]
  if is_valid[from] then
    if not records[id] then
      order[#order + 1] = id
    end
    -- One device may have proven more than another.
    if not records[id] or string.byte(record) == 111 then
      records[id] = record
    end
  end
end
local listed = math.min(#order, ARGV[2])
local total = listed
for i = listed + 1, #order do
  if not is_here[order[i]] then
    total = total + 1
  end
end
local reply = { 'ok', tostring(total) }
for i = 1, listed do
  reply[#reply + 1] = order[i]
  reply[#reply + 1] = records[order[i]]
end
return reply
