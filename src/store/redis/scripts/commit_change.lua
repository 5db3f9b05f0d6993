-- Edits or deletes a message, completely or not at all, as `commit_send.lua` explains. KEYS: room, messages, log.
-- ARGV: kind ('e' for edited, 'd' for deleted), entry tag, index, revision; to edit also text, maximum of log entries, maximum of
-- edits.

local room, messages, log = unpack(KEYS)
local kind, tag, index, expected, text, max_entries, max_edits = unpack(ARGV)
local at, expires_at, room_created_at, seq, message_count, live, authors = read_room(room, messages, log)
if not at or tonumber(index) >= message_count then
  return { 'not_found' }
end
local old = call('LINDEX', messages, index)
local last_kind, revision, created_at = struct.unpack(ENTRY, old)
local edited_at, deleted_at, edits, fields_start = 0, 0, 0, 28
if last_kind ~= 's' then
  created_at, edited_at, deleted_at, edits, fields_start = struct.unpack(CHANGED, old, 28)
end
local fields_end = string.find(old, '\n\n', fields_start, true)
if not fields_end then
  return { 'corrupt' }
end
if revision ~= tonumber(expected) then
  return { 'conflict' }
end
if deleted_at > 0 then
  return { 'not_found' }
end
if kind == 'e' then
  if edits >= tonumber(max_edits) then
    return { 'edit_limit' }
  end
  if seq + live + 1 > tonumber(max_entries) then
    return { 'full' }
  end
  edited_at, edits = at, edits + 1
else
  deleted_at, text, live = at, '', live - 1
end

seq = seq + 1
local entry = struct.pack(ENTRY, kind, seq, at, index, tag)
local fields = string.sub(old, fields_start, fields_end + 1)
local message = entry .. struct.pack(CHANGED, created_at, edited_at, deleted_at, edits) .. fields .. text
call('LSET', messages, index, message)
call('RPUSH', log, entry)
call('HSET', room, 'state', struct.pack(STATE, expires_at, room_created_at, seq, message_count, live, authors, tag))
call(announce, room, message)
return { 'new', message }
