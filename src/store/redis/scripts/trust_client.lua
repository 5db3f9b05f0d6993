-- Trusts a client in a room, and undoes its counted attempt. KEYS: room, wrong codes, blocks that used their last attempt, trusted
-- clients. ARGV: client, its block, whether an attempt was counted (1 or 0), maximum of trusted clients.

local room, wrong_codes, last_attempts, trusted = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local client, block = ARGV[1], ARGV[2]
local expires_at = redis.call('HGET', room, 'expires_at')
if not is_alive(expires_at, now()) then
  return { 'not_found' }
end
if ARGV[3] == '1' then
  if tonumber(redis.call('GET', wrong_codes) or 0) > 0 then
    redis.call('DECR', wrong_codes)
  end
  redis.call('SREM', last_attempts, block)
end
if redis.call('SCARD', trusted) < tonumber(ARGV[4]) then
  redis.call('SADD', trusted, client)
  redis.call('PEXPIREAT', trusted, expires_at)
end
return { 'ok' }
