-- Trusts a client in a room, and undoes its counted attempt. KEYS: room, messages, log, wrong codes, blocks that used their
-- last attempt, trusted clients. ARGV: client, its block, whether an attempt was counted (1 or 0), maximum of trusted clients.

local room, messages, log, wrong_codes, last_attempts, trusted = unpack(KEYS)
local client, block = ARGV[1], ARGV[2]
local at, expires_at = read_room(room, messages, log)
if not at then
  return { 'not_found' }
end
if ARGV[3] == '1' then
  if tonumber(call('GET', wrong_codes) or 0) > 0 then
    call('DECR', wrong_codes)
  end
  call('SREM', last_attempts, block)
end
if call('SCARD', trusted) < tonumber(ARGV[4]) then
  call('SADD', trusted, client)
  call('PEXPIREAT', trusted, expires_at)
end
return { 'ok' }
