-- Adds or removes a reaction. KEYS: room, messages, log, reactions, marks.
-- ARGV: entry tag, index, emoji, whether to add (1 or 0), user id, mark, maximum of log entries, maximum of emoji on a message,
-- how often a user may add or remove one, the time between two log entries about a message in ms.
-- Returns the message, the end of the log, and the time until the entry of the marked change is due in ms, or ''.

local tag, index, emoji, add, id, mark, max_entries, max_kinds, max_toggles, interval = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
local refusal, detail = authorize(room, id, mark)
if refusal then
  return { refusal, detail }
end
if tonumber(index) >= room.messages then
  return { 'not_found' }
end
local encoded = call('LINDEX', KEYS[2], index)
local message = parse_message(encoded)
if not message then
  return { 'corrupt' }
end
if message.deleted_at > 0 then
  return { 'not_found' }
end

local prefix = struct.pack('>I6', index) .. id .. '\n'
local own = call('ZRANGEBYLEX', KEYS[4], lex_range(prefix))
local member, toggles = nil, 0
for _, other in ipairs(own) do
  local other_emoji, times = string.match(string.sub(other, #prefix + 1), '^(.*)\n(%d+)$')
  if other_emoji == emoji then
    member, toggles = other, tonumber(times)
  end
end
if toggles % 2 == tonumber(add) then
  remember_actor(room)
  return { 'ok', encoded, tostring(room.seq), room.tag, '' }
end
if toggles >= tonumber(max_toggles) or not member and #own >= tonumber(max_kinds) then
  return { 'edit_limit' }
end

local changes, last, counts = parse_reactions(message)
local position
for i, reaction in ipairs(counts) do
  if reaction.emoji == emoji then
    position = i
  end
end
if add == '0' then
  counts[position].count = counts[position].count - 1
  if counts[position].count == 0 then
    table.remove(counts, position)
  end
elseif position then
  counts[position].count = counts[position].count + 1
elseif #counts >= tonumber(max_kinds) then
  return { 'full' }
else
  counts[#counts + 1] = { emoji = emoji, count = 1 }
end

-- A mark has reserved its entry.
local is_marked = call('ZSCORE', KEYS[5], index)
local due = last + interval
local is_due = last == 0 or due <= room.at
if is_marked then
  if is_due then
    room.reserved = room.reserved - 1
  end
elseif is_full(room, max_entries) or room.reaction_entries >= math.floor(max_entries / 4) then
  return { 'full' }
else
  room.reaction_entries = room.reaction_entries + 1
  if not is_due then
    room.reserved = room.reserved + 1
  end
end

room.reaction_changes = room.reaction_changes + 1
message.reactions = encode_reactions(changes + 1, room.reaction_changes, is_due and room.at or last, counts)
local entry = is_due and next_entry(room, 'r', index, tag)
encoded = encode_message(message)
call('LSET', KEYS[2], index, encoded)
if entry then
  call('RPUSH', KEYS[3], entry)
end
write_state(room)
remember_actor(room)
if member then
  call('ZREM', KEYS[4], member)
end
call('ZADD', KEYS[4], 0, prefix .. emoji .. '\n' .. string.format('%.0f', toggles + 1))
call('PEXPIREAT', KEYS[4], room.expires_at)
if is_due then
  if is_marked then
    call('ZREM', KEYS[5], index)
  end
  call(ANNOUNCE, KEYS[1], entry .. encoded)
elseif not is_marked then
  call('ZADD', KEYS[5], due, index)
  call('PEXPIREAT', KEYS[5], room.expires_at)
  call(ANNOUNCE, KEYS[1], 'R' .. struct.pack('>I6', due - room.at))
end
return { 'ok', encoded, tostring(room.seq), room.tag, is_due and '' or tostring(due - room.at) }
