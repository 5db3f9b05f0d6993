-- Appends the due log entries about reactions of marked messages. KEYS: room, messages, log, marks.
-- ARGV: the tags of as many entries as may be appended, 8 bytes each. Returns when the next entry is due in ms, or ''.

local tags = ARGV[1]
local room = open_room()
if not room then
  return { 'not_found' }
end
local marked = call('ZRANGEBYSCORE', KEYS[4], '-inf', room.at, 'LIMIT', 0, #tags / 8)
for i, index in ipairs(marked) do
  local message = parse_message(call('LINDEX', KEYS[2], index))
  if not message then
    return { 'corrupt' }
  end
  message.reactions = string.gsub(message.reactions, ' %d+\n', ' ' .. string.format('%.0f', room.at) .. '\n', 1)
  local entry = next_entry(room, 'r', index, string.sub(tags, 8 * i - 7, 8 * i))
  local encoded = encode_message(message)
  call('LSET', KEYS[2], index, encoded)
  call('RPUSH', KEYS[3], entry)
  call(ANNOUNCE, KEYS[1], entry .. encoded)
end
if #marked > 0 then
  room.reserved = room.reserved - #marked
  write_state(room)
  call('ZREM', KEYS[4], unpack(marked))
end
local _, due = unpack(call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1))
return { 'ok', due and tostring(math.max(0, due - room.at)) or '' }
