-- Takes a counted miss back, and the lock-out that it began. KEYS: strikes. ARGV: the ticket, which is that lock-out's end.

local strikes = KEYS[1]
local count, past = unpack(redis.call('HMGET', strikes, 'count', 'until'))
if not count then
  return { 'ok' }
end
if tonumber(count) <= 1 then
  redis.call('DEL', strikes)
  return { 'ok' }
end
redis.call('HINCRBY', strikes, 'count', -1)
if past == ARGV[1] then
  redis.call('HSET', strikes, 'until', 0)
end
return { 'ok' }
