-- Forgets a user whose current token still is the given one. KEYS: user. ARGV: hash of the token.

if redis.call('HGET', KEYS[1], 'current') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return { 'ok' }
