-- Appends an entry of a kind that no version knows, for tests. KEYS: room, messages, log. ARGV: entry tag, index of the message
-- that it changes, or ''.

local tag, index = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
local entry = next_entry(room, 'z', tonumber(index) or 0, tag)
local message = index ~= '' and parse_message(call('LINDEX', KEYS[2], index))
if message then
  call('LSET', KEYS[2], index, encode_message(message, entry))
end
entry = entry .. 'payload of the next version\n'
call('RPUSH', KEYS[3], entry)
room.later = 'state of the next version'
write_state(room)
call(ANNOUNCE, KEYS[1], 'Zannouncement of the next version')
call(ANNOUNCE, KEYS[1], entry)
return { 'ok' }
