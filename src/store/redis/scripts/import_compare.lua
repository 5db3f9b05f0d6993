-- Checks that a room is complete, and is the imported one or has grown from it. The tag of the last imported entry is random, so
-- a log with that entry is the same up to there. KEYS: room, messages, log, chatters, roster.
-- ARGV: code, created_at, expires_at, seq, entry tag, messages, chatters.

local room, messages, log, chatters, roster = unpack(KEYS)
local code, created_at, expires_at, seq, check = unpack(ARGV)
if not is_alive(expires_at, now()) then
  return { 'ended' }
end
local state = redis.call('HMGET', room, 'code', 'created_at', 'expires_at', 'seq', 'messages', 'chatters')
if not state[1] then
  return { 'absent' }
end
if state[1] ~= code or state[2] ~= created_at or state[3] ~= expires_at then
  return { 'differs' }
end
if seq ~= '0' then
  local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if not entry or entry[2][8] ~= check then
    return { 'differs' }
  end
end
local message_count, chatter_count = tonumber(state[5]), tonumber(state[6])
local is_complete = redis.call('XLEN', log) == tonumber(state[4])
  and redis.call('SCARD', chatters) == chatter_count
  and redis.call('LLEN', roster) == chatter_count
  and message_count >= tonumber(ARGV[6]) and chatter_count >= tonumber(ARGV[7])
-- Every message has a record, and at most one more field for its text.
local fields = redis.call('HLEN', messages)
is_complete = is_complete and fields >= message_count and fields <= 2 * message_count
if not is_complete then
  return { 'corrupt' }
end
return { 'there' }
