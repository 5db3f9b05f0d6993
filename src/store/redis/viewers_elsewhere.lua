-- Viewers that other nodes have of a room; forgets nodes that report no more. KEYS: viewers. ARGV: node.

local at = now()
local reports = redis.call('HGETALL', KEYS[1])
local sum = 0
for i = 1, #reports, 2 do
  local count, past = string.match(reports[i + 1], '^(%d+):(%d+)$')
  if not count then
    return { 'corrupt' }
  end
  if tonumber(past) <= at then
    redis.call('HDEL', KEYS[1], reports[i])
  elseif reports[i] ~= ARGV[1] then
    sum = sum + count
  end
end
return { 'ok', digits(sum) }
