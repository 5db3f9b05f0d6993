-- Creates a room. KEYS: room, messages, log. ARGV: about, time to live in ms, whether it is locked (1 or 0), seconds of slow
-- mode.

local room, messages, log = unpack(KEYS)
if call('EXISTS', room, messages, log) > 0 then
  return { 'conflict' }
end
local at = now()
local expires_at = at + ARGV[2]
local tag = string.rep('\0', 8)
local state = struct.pack(STATE, expires_at, at, 0, 0, 0, 0, tag)
if ARGV[3] ~= '0' or ARGV[4] ~= '0' then
  state = state .. struct.pack(EXTRAS, 0, 0, ARGV[3], ARGV[4], 0)
end
call('HSET', room, 'state', state, 'about', ARGV[1])
call('PEXPIREAT', room, expires_at)
call('RPUSH', log, struct.pack(ENTRY, '-', 0, at, 0, tag))
call('PEXPIREAT', log, expires_at)
return { 'ok', tostring(at), state, ARGV[1] }
