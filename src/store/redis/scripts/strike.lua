-- Counts a miss, unless its subject is locked out. KEYS: strikes.
-- ARGV: misses until the first lock-out, its length in ms, the longest in ms, how long all is remembered in ms.

local strikes = KEYS[1]
local free, first, longest, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
local count, past = unpack(redis.call('HMGET', strikes, 'count', 'until'))
count, past = tonumber(count or 0), tonumber(past or 0)
-- Nothing locks for longer than the longest: a clock that was set back must not either.
if past - at > longest then
  past = at + longest
  redis.call('HSET', strikes, 'until', digits(past))
end
if count >= free and at < past then
  return { 'locked', digits(past - at) }
end
count, past = count + 1, 0
if count >= free then
  past = at + math.min(longest, first * 2 ^ (count - free))
end
redis.call('HSET', strikes, 'count', digits(count), 'until', digits(past))
redis.call('PEXPIRE', strikes, digits(kept))
return { 'counted', digits(past) }
