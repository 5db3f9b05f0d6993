-- Returns the viewers that other nodes have of several rooms. KEYS: viewers of each. ARGV: node.

local at = now()
local reply = { 'ok' }
-- Most rooms of a list have no viewers.
local are_all_empty = #KEYS > 1 and call('EXISTS', unpack(KEYS)) == 0
for _, viewers in ipairs(KEYS) do
  local reports = are_all_empty and {} or call('HGETALL', viewers)
  local sum = 0
  for i = 1, #reports, 2 do
    local count, valid_until = string.match(reports[i + 1], '^(%d+):(%d+)')
    if not count then
      return { 'corrupt' }
    end
    if tonumber(valid_until) > at and reports[i] ~= ARGV[1] then
      sum = sum + count
    end
  end
  reply[#reply + 1] = tostring(sum)
end
return reply
