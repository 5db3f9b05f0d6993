-- Creates a room. KEYS: room. ARGV: code, time to live in ms.

local room = KEYS[1]
if redis.call('EXISTS', room) == 1 then
  return { 'conflict' }
end
local at = now()
local expires_at = digits(at + ARGV[2])
local check = '0000000000000000'
redis.call('HSET', room, 'code', ARGV[1], 'created_at', digits(at), 'expires_at', expires_at,
  'seq', 0, 'check', check, 'messages', 0, 'chatters', 0)
redis.call('PEXPIREAT', room, expires_at)
return { 'ok', digits(at), ARGV[1], digits(at), expires_at, '0', check, '0', '0' }
