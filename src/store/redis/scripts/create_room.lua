-- Creates a room. KEYS: room, messages, log. ARGV: code, time to live in ms.

local room, messages, log = unpack(KEYS)
if call('EXISTS', room, messages, log) > 0 then
  return { 'conflict' }
end
local at = now()
local expires_at = at + ARGV[2]
local tag = string.rep('\0', 8)
local state = struct.pack(STATE, expires_at, at, 0, 0, 0, 0, tag)
call('HSET', room, 'state', state, 'code', ARGV[1])
call('PEXPIREAT', room, expires_at)
call('RPUSH', log, struct.pack(ENTRY, '-', 0, at, 0, tag))
call('PEXPIREAT', log, expires_at)
return { 'ok', tostring(at), state, ARGV[1] }
