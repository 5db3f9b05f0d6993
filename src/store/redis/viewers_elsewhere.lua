-- Viewers that other nodes have of several rooms; forgets nodes that report no more. KEYS: viewers of each. ARGV: node.

local at = now()
local answer = { 'ok' }
for _, viewers in ipairs(KEYS) do
  local reports = redis.call('HGETALL', viewers)
  local sum = 0
  for i = 1, #reports, 2 do
    local count, past = string.match(reports[i + 1], '^(%d+):(%d+)$')
    if not count then
      return { 'corrupt' }
    end
    if tonumber(past) <= at then
      redis.call('HDEL', viewers, reports[i])
    elseif reports[i] ~= ARGV[1] then
      sum = sum + count
    end
  end
  answer[#answer + 1] = digits(sum)
end
return answer
