-- Undoes a counted failure, and the lockout that it began. KEYS: failures. ARGV: the failure record, which is the lockout's
-- end.

local failures = KEYS[1]
local count, lockout_end = unpack(call('HMGET', failures, 'count', 'until'))
if not count then
  return { 'ok' }
end
if tonumber(count) <= 1 then
  call('DEL', failures)
  return { 'ok' }
end
call('HINCRBY', failures, 'count', -1)
if lockout_end == ARGV[1] then
  call('HSET', failures, 'until', 0)
end
return { 'ok' }
