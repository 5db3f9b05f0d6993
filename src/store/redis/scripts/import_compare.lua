-- Checks that a room is complete, and is the imported one or has grown from it. The tag of the last imported entry is random,
-- so a log with that entry is the same up to there. KEYS: room, messages, log. ARGV: state, about.

local room, messages, log = unpack(KEYS)
local expires_at, created_at, seq, message_count, _, author_count, tag = struct.unpack(STATE, ARGV[1])
local function identity(about)
  return string.sub(about, 1, OWNER_LENGTH) .. string.match(string.sub(about, OWNER_LENGTH + 6), '^[^\n]*')
end

if expires_at <= now() then
  return { 'ended' }
end
local state, about = unpack(call('HMGET', room, 'state', 'about'))
if not state then
  return { 'absent' }
end
local entry = call('LINDEX', log, seq)
local ends_at, began_at, last, messages_now, _, authors_now = struct.unpack(STATE, state)
local is_same = identity(about) == identity(ARGV[2]) and ends_at == expires_at and began_at == created_at
if not is_same or not entry or string.sub(entry, 20, 27) ~= tag then
  return { 'differs' }
end
local is_complete = call('LLEN', log) == last + 1 and call('LLEN', messages) == messages_now
  and messages_now >= message_count and authors_now >= author_count
  and (authors_now == 0 or call('HEXISTS', room, 'n' .. authors_now - 1) == 1)
return { is_complete and 'there' or 'corrupt' }
