-- Forgets a user that `authenticate` registered with the given token, unless it was authenticated again since. KEYS: user.
-- ARGV: hash of the token.

local record = call('GET', KEYS[1])
if record and string.sub(record, 1, 32) == ARGV[1] and string.sub(record, 81, 81) == '1' then
  call('DEL', KEYS[1])
end
return { 'ok' }
