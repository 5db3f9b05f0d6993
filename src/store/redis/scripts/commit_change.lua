-- Edits or deletes a message, completely or not at all, as `commit_send.lua` explains. KEYS: room, messages, log; to delete
-- also reactions, marks. ARGV: kind ('e' for edited, 'd' for deleted), entry tag, index, revision; to edit also text, maximum
-- of log entries, maximum of edits, user id, mark; to delete also the role of the one who does (m or o).

local kind, tag, index, expected, text, max_entries, max_edits, id, mark = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
if kind == 'e' then
  local refusal, detail = authorize(room, id, mark)
  if refusal then
    return { refusal, detail }
  end
end
if tonumber(index) >= room.messages then
  return { 'not_found' }
end
local message = parse_message(call('LINDEX', KEYS[2], index))
if not message then
  return { 'corrupt' }
end
if message.revision ~= tonumber(expected) then
  return { 'conflict' }
end
if message.deleted_at > 0 then
  return { 'not_found' }
end
local had_reactions = false
if kind == 'e' then
  if message.edits >= tonumber(max_edits) then
    return { 'edit_limit' }
  end
  if is_full(room, max_entries) then
    return { 'full' }
  end
  message.edited_at, message.edits, message.text = room.at, message.edits + 1, text
else
  message.deleted_at, message.text = room.at, ''
  room.reserved = room.reserved - 1
  if string.find(message.fields, CONTENT_FIELD) then
    message.fields = string.gsub(message.fields, CONTENT_FIELD, '')
  end
  message.fields = message.fields .. 'd' .. ARGV[5] .. '\n'
  had_reactions = message.reactions ~= ''
  if had_reactions then
    message.reactions = string.match(message.reactions, '^[^\n]*\n')
    if call('ZSCORE', KEYS[5], index) then
      room.reserved, room.reaction_entries = room.reserved - 1, room.reaction_entries - 1
    end
  end
end

local entry = next_entry(room, kind, index, tag)
local encoded = encode_message(message, entry)
call('LSET', KEYS[2], index, encoded)
call('RPUSH', KEYS[3], entry)
write_state(room)
remember_actor(room)
if had_reactions then
  call('ZREMRANGEBYLEX', KEYS[4], lex_range(struct.pack('>I6', index)))
  call('ZREM', KEYS[5], index)
end
call(ANNOUNCE, KEYS[1], encoded)
return { 'new', encoded }
