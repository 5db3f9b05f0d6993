-- Counts a wrong code before anybody looks at it, unless its bringer is known or has no guess left.
-- KEYS: room, guesses, who had their last guess, who is known.
-- ARGV: guesser, its block, wrong codes after which each block has one guess left, wrong codes after which none has.

local room, guesses, last, known = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local guesser, block = ARGV[1], ARGV[2]
local at = now()
local expires_at = redis.call('HGET', room, 'expires_at')
if not is_alive(expires_at, at) then
  return { 'not_found' }
end
if redis.call('SISMEMBER', known, guesser) == 1 then
  return { 'known' }
end
local count = tonumber(redis.call('GET', guesses) or 0)
local closed = { 'closed', digits(expires_at - at) }
if count >= tonumber(ARGV[4]) then
  return closed
end
if count >= tonumber(ARGV[3]) then
  if redis.call('SADD', last, block) == 0 then
    return closed
  end
  redis.call('PEXPIREAT', last, expires_at)
end
redis.call('INCR', guesses)
redis.call('PEXPIREAT', guesses, expires_at)
return { 'counted' }
