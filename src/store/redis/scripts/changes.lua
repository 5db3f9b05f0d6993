-- Functions of scripts that change a room otherwise than by a send. KEYS begin with room, messages, log.

-- Returns the time in a room and its state; nil if the room is gone.
local function open_room()
  local at, expires_at, created_at, seq, messages, reserved, authors, tag, extras = read_room(KEYS[1], KEYS[2], KEYS[3])
  if not at then
    return nil
  end
  local changes, entries, locked, seconds, bans, later = 0, 0, 0, 0, 0, ''
  if extras ~= '' then
    local position
    changes, entries, locked, seconds, bans, position = struct.unpack(EXTRAS, extras)
    later = string.sub(extras, position)
  end
  return {
    at = at, expires_at = expires_at, created_at = created_at, seq = seq, messages = messages, reserved = reserved,
    authors = authors, tag = tag, extras = extras, reaction_changes = changes, reaction_entries = entries, locked = locked,
    slow_mode_seconds = seconds, bans = bans, later = later,
  }
end

-- Writes the state, with what a newer version has appended to it, and other fields of the room.
local function write_state(room, ...)
  local state =
    struct.pack(STATE, room.expires_at, room.created_at, room.seq, room.messages, room.reserved, room.authors, room.tag)
  if room.reaction_changes + room.locked + room.slow_mode_seconds + room.bans > 0 or room.later ~= '' then
    state = state
      .. struct.pack(EXTRAS, room.reaction_changes, room.reaction_entries, room.locked, room.slow_mode_seconds, room.bans)
      .. room.later
  end
  call('HSET', KEYS[1], 'state', state, ...)
end

-- Takes the next log number, and returns the log entry.
local function next_entry(room, kind, index, tag)
  room.seq, room.tag = room.seq + 1, tag
  return struct.pack(ENTRY, kind, room.seq, room.at, index, tag)
end

-- Whether the log has no space for another entry.
local function is_full(room, max_entries)
  return room.seq + room.reserved + 1 > tonumber(max_entries)
end

-- Returns the outcome and its detail if a rule forbids a user to act. `remember_actor` stores what the action tells about a
-- user of the room: its address, and whether it is the owner.
local function authorize(room, id, mark)
  local record = call('HGET', KEYS[1], 'u' .. id)
  local is_owner, address = string.byte(mark) == 111, string.sub(mark, 2)
  if record then
    local role, last_address = struct.unpack(MEMBER, record)
    if is_owner then
      role = role == string.upper(role) and 'O' or 'o'
    end
    is_owner = role == 'o' or role == 'O'
    local current = role .. (address == NO_ADDRESS and last_address or address) .. string.sub(record, 18)
    room.actor = current ~= record and { 'u' .. id, current }
  end
  if not is_owner and room.extras ~= '' then
    return find_denial(KEYS[1], room.extras, id, address, room.at)
  end
end

local function remember_actor(room)
  if room.actor then
    call('HSET', KEYS[1], unpack(room.actor))
  end
end

-- Returns the parts of a message; nil if it has none.
local function parse_message(encoded)
  local kind, revision, created_at, index = struct.unpack(ENTRY, encoded)
  local edited_at, deleted_at, edits, start = 0, 0, 0, 28
  if kind ~= 's' then
    created_at, edited_at, deleted_at, edits, start = struct.unpack(CHANGED, encoded, 28)
  end
  local text = string.find(encoded, '\n\n', start, true)
  if not text then
    return nil
  end
  -- The lines about reactions are the last fields. The first field is the name.
  local fields = string.sub(encoded, start, text)
  local reactions = string.find(fields, '\nk', 1, true) or #fields
  return {
    head = string.sub(encoded, 1, start - 1), revision = revision, index = index, created_at = created_at,
    edited_at = edited_at, deleted_at = deleted_at, edits = edits, fields = string.sub(fields, 1, reactions),
    reactions = string.sub(fields, reactions + 1), text = string.sub(encoded, text + 2),
  }
end

-- Returns a message whose last change is `entry`; without `entry` the change is not in the log.
local function encode_message(message, entry)
  local head = message.head
  if entry then
    head = entry .. struct.pack(CHANGED, message.created_at, message.edited_at, message.deleted_at, message.edits)
  end
  return head .. message.fields .. message.reactions .. '\n' .. message.text
end

