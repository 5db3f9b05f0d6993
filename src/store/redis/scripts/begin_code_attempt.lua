-- Counts an attempt as a wrong code before the code is checked, unless the client is trusted or has no attempt left.
-- KEYS: room, messages, log, wrong codes, blocks that used their last attempt, trusted clients.
-- ARGV: client, its block, wrong codes after which each block has one attempt left, wrong codes after which none has.

local room, messages, log, wrong_codes, last_attempts, trusted = unpack(KEYS)
local client, block = ARGV[1], ARGV[2]
local at, expires_at = read_room(room, messages, log)
if not at then
  return { 'not_found' }
end
if call('SISMEMBER', trusted, client) == 1 then
  return { 'known' }
end
local count = tonumber(call('GET', wrong_codes) or 0)
local closed = { 'closed', tostring(expires_at - at) }
if count >= tonumber(ARGV[4]) then
  return closed
end
if count >= tonumber(ARGV[3]) then
  if call('SADD', last_attempts, block) == 0 then
    return closed
  end
  call('PEXPIREAT', last_attempts, expires_at)
end
call('INCR', wrong_codes)
call('PEXPIREAT', wrong_codes, expires_at)
return { 'counted' }
