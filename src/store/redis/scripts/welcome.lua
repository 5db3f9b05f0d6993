-- Makes somebody known to a room, and takes their guess back. KEYS: room, guesses, who had their last guess, who is known.
-- ARGV: guesser, its block, whether a guess was counted (1 or 0), how many a room knows at most.

local room, guesses, last, known = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local guesser, block = ARGV[1], ARGV[2]
local expires_at = redis.call('HGET', room, 'expires_at')
if not is_alive(expires_at, now()) then
  return { 'not_found' }
end
if ARGV[3] == '1' then
  if tonumber(redis.call('GET', guesses) or 0) > 0 then
    redis.call('DECR', guesses)
  end
  redis.call('SREM', last, block)
end
if redis.call('SCARD', known) < tonumber(ARGV[4]) then
  redis.call('SADD', known, guesser)
  redis.call('PEXPIREAT', known, expires_at)
end
return { 'ok' }
