-- Appends to a staged part of a room. KEYS: staged part. ARGV: expires_at, command (RPUSH, HSET or ZADD), its arguments.

local part, expires_at = KEYS[1], ARGV[1]
if tonumber(expires_at) <= now() then
  return { 'not_found' }
end
call(ARGV[2], part, unpack(ARGV, 3))
call('PEXPIREAT', part, expires_at)
return { 'ok' }
