-- Forgets a user that `authenticate` registered with the given token, unless it was authenticated again since. KEYS: user.
-- ARGV: hash of the token.

local current, is_new = unpack(redis.call('HMGET', KEYS[1], 'current', 'new'))
if current == ARGV[1] and is_new then
  redis.call('DEL', KEYS[1])
end
return { 'ok' }
