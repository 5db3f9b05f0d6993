-- Appends a message to a room, completely or not at all. KEYS: room, messages, log.
--
-- If Redis cannot write (no memory, no disk, a replica), it rejects the first write of a script. It lets later writes pass. So
-- the script decides everything before its first write, and that write needs memory: nothing is left half done.

-- `author` is 'u' and the user id, and `send` is 'c', the user id, a line break and the client message id, or ''. `rest` has
-- the fields of the message, without name and role, and the text. `reply_to` is the number after the index of the message that
-- this one answers, or 0. `mark` is m or, if the author has proven to be the owner, o, with the address.
-- Returns the outcome, and the log entry and maybe the message, or nil and the detail of a refusal.
local function commit_send(author, send, rest, tag, max_messages, max_entries, reply_to, mark, name, avatar)
  local room, messages, log = KEYS[1], KEYS[2], KEYS[3]
  local has_id = send ~= ''
  local fields = has_id and call('HMGET', room, 'state', author, send) or call('HMGET', room, 'state', author)
  local state, record, first = fields[1], fields[2], fields[3]
  local left = call('PTTL', log)
  if not state or left < 1 then
    return 'not_found'
  end
  local expires_at, created_at, seq, index, reserved, authors = struct.unpack(NUMBERS, state)

  if first then
    local entry = call('LINDEX', log, first)
    local _, _, _, index = struct.unpack(ENTRY, entry)
    local message = call('LINDEX', messages, index)
    if not message then
      return 'not_found'
    end
    return 'repeated', entry, message
  end

  local at = expires_at - left
  local is_signed = string.byte(author, 2) == 64
  local is_owner, is_new, had_joined, member = string.byte(mark) == 111
  -- Usually nothing about the author changes. Only a signed identity can bring another name.
  if not record or is_signed or string.find(record, mark, 1, true) ~= 1 then
    local profile, number, address, role = name .. '\n' .. (avatar or ''), authors, string.sub(mark, 2), 'm'
    is_new = not record
    if record then
      local old_role, last_address, old_number = struct.unpack(MEMBER, record)
      role = string.lower(old_role)
      had_joined = role ~= old_role
      is_owner = is_owner or role == 'o'
      is_new, number = had_joined, had_joined and number or old_number
      address = address == NO_ADDRESS and last_address or address
      local old_profile, more = string.match(record, PROFILE_AND_MORE, 24)
      profile = (is_signed and profile or old_profile) .. more
    end
    member = struct.pack(MEMBER, is_owner and 'o' or role, address, number) .. profile
    member = member ~= record and member
  end

  local extras, times, refusal, detail
  if #state > 44 then
    -- The functions of `rules.lua` are inserted here: no other room has to create them.
    --RULES
    extras = string.sub(state, 45)
    if not is_owner then
      refusal, detail = find_denial(room, extras, string.sub(author, 2), string.sub(mark, 2), at)
      local _, _, _, seconds = struct.unpack(EXTRAS, extras)
      if not refusal and seconds > 0 then
        times = { 't' .. string.sub(author, 2) }
        -- A user who makes up a new id for each message is slowed down, too.
        if is_new and not is_signed and string.sub(mark, 2) ~= NO_ADDRESS then
          times[2] = 't\n' .. string.sub(mark, 2)
        end
        local last, there = unpack(call('HMGET', room, unpack(times)))
        local wait = math.max(last or 0, there or 0) + seconds * 1000 - at
        if wait > 0 then
          refusal, detail = 'slow', tostring(wait)
        end
      end
    end
  end
  if not refusal and reply_to > index then
    refusal = 'no_target'
  end
  -- Each message that is not deleted, this one too, reserves a log entry for its deletion.
  if not refusal and (index >= max_messages or seq + reserved + 2 > max_entries) then
    refusal = 'full'
  end
  if refusal then
    return (index == 0 or call('EXISTS', messages) == 1) and refusal or 'not_found', nil, detail
  end

  seq = seq + 1
  local entry = struct.pack(ENTRY, 's', seq, at, index, tag)
  local message = entry .. 'n' .. name .. (is_owner and '\no\n' or '\n') .. rest
  if index == 0 then
    call('RPUSH', messages, message)
    call('PEXPIREAT', messages, expires_at)
  elseif call('RPUSHX', messages, message) == 0 then
    return 'not_found'
  end
  call('RPUSH', log, entry)
  if is_new then
    call('HSET', room, author, member, 'n' .. authors, string.sub(author, 2))
    authors = authors + 1
    if had_joined then
      call('HINCRBY', room, 'joined', -1)
    end
  elseif member then
    call('HSET', room, author, member)
  end
  if times then
    for _, field in ipairs(times) do
      call('HSET', room, field, at)
    end
  end
  state = struct.pack(STATE, expires_at, created_at, seq, index + 1, reserved + 1, authors, tag)
  state = extras and state .. extras or state
  if has_id then
    call('HSET', room, 'state', state, send, seq)
  else
    call('HSET', room, 'state', state)
  end
  call(ANNOUNCE, room, message)
  return is_owner and 'new_by_owner' or 'new', entry
end
