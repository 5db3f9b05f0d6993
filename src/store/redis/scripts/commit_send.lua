-- Appends a message to a room, completely or not at all. KEYS: room, messages, log.
--
-- If Redis cannot write (no memory, no disk, a replica), it rejects the first write of a script. It lets later writes pass. So the
-- script decides everything before its first write, and that write needs memory: nothing is left half done.

-- `author` is 'u' and the user id, and `send` is 'c', the user id, a line break and the client message id, or ''. `rest` has the
-- fields of the message, without the name, and the text.
local function commit_send(author, send, rest, tag, max_messages, max_entries, name)
  local room, messages, log = KEYS[1], KEYS[2], KEYS[3]
  local has_id = send ~= ''
  local fields = has_id and call('HMGET', room, 'state', author, send) or call('HMGET', room, 'state', author)
  local state, is_author, first = fields[1], fields[2], fields[3]
  local left = call('PTTL', log)
  if not state or left < 1 then
    return 'not_found'
  end
  local expires_at, created_at, seq, index, live, authors = struct.unpack(NUMBERS, state)

  if first then
    local entry = call('LINDEX', log, first)
    local _, _, _, index = struct.unpack(ENTRY, entry)
    local message = call('LINDEX', messages, index)
    if not message then
      return 'not_found'
    end
    return 'repeated', entry, message
  end
  -- Each message that is not deleted, this one too, reserves a log entry for its deletion.
  if index >= tonumber(max_messages) or seq + live + 2 > tonumber(max_entries) then
    return (index == 0 or call('EXISTS', messages) == 1) and 'full' or 'not_found'
  end

  seq = seq + 1
  local at = expires_at - left
  local entry = struct.pack(ENTRY, 's', seq, at, index, tag)
  local message = entry .. 'n' .. name .. '\n' .. rest
  if index == 0 then
    call('RPUSH', messages, message)
    call('PEXPIREAT', messages, expires_at)
  elseif call('RPUSHX', messages, message) == 0 then
    return 'not_found'
  end
  call('RPUSH', log, entry)
  if not is_author then
    call('HSET', room, author, authors, 'n' .. authors, string.sub(author, 2) .. '\n' .. name)
    authors = authors + 1
  end
  state = struct.pack(STATE, expires_at, created_at, seq, index + 1, live + 1, authors, tag)
  if has_id then
    call('HSET', room, 'state', state, send, seq)
  else
    call('HSET', room, 'state', state)
  end
  call(announce, room, message)
  return 'new', entry
end
