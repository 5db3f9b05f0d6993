-- Whether a room is there whole, and is the one described or has gone on from it. The check of the last log entry is random,
-- so whoever has that entry has the same log up to it. KEYS: room, messages, log, chatters, roster.
-- ARGV: code, created_at, expires_at, seq, check, messages, chatters.

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
local whole = redis.call('XLEN', log) == tonumber(state[4])
  and redis.call('SCARD', chatters) == chatter_count
  and redis.call('LLEN', roster) == chatter_count
  and message_count >= tonumber(ARGV[6]) and chatter_count >= tonumber(ARGV[7])
-- Every message has a record, and one field more at most, its text.
local fields = redis.call('HLEN', messages)
whole = whole and fields >= message_count and fields <= 2 * message_count
if not whole then
  return { 'corrupt' }
end
return { 'there' }
