-- One change of a room, whole or not at all. KEYS: room, messages, log, once, chatters, roster, events.
-- ARGV: kind, check, and then
--   sent: user id, the name of this send or '', messages the room takes, chatter, record, text, log entries it takes
--   edited: index, revision, text, log entries the room takes, edits the message takes
--   deleted: index, revision
--
-- Redis refuses a script that must not write (no memory, no disk, a replica) at its first write and lets it finish from
-- then on, so nothing is half done: everything is decided before the first write, and that is one that takes memory.

local room, messages, log, once, chatters, roster, events = unpack(KEYS)
local kind, check = ARGV[1], ARGV[2]
local clock = now()
local at = digits(clock)

local state = read_room(clock, 'expires_at', 'seq', 'messages')
if not state then
  return { 'not_found' }
end
local expires_at = state[1]
local seq = digits(state[2] + 1)

-- Every message has one field of its own, and another for its text unless it is deleted. Each of the latter keeps a log
-- entry free for its deletion.
local function has_space(for_entries, most)
  local live = redis.call('HLEN', messages) - state[3]
  return state[2] + live + for_entries <= tonumber(most)
end

local index, record, text, send_name
if kind == 'sent' then
  send_name = ARGV[4] ~= '' and ARGV[3] .. '\n' .. ARGV[4]
  local first = send_name and redis.call('HGET', once, send_name)
  if first then
    local entry = redis.call('XRANGE', log, first .. '-0', first .. '-0')[1][2]
    local message = redis.call('HMGET', messages, entry[4], entry[4] .. 't')
    return { 'repeated', write_event(entry[2], first, entry[8], entry[6], entry[4], message[1], message[2]) }
  end
  index, text = state[3], ARGV[8]
  if tonumber(index) >= tonumber(ARGV[5]) or not has_space(2, ARGV[9]) then
    return { 'full' }
  end
  record = table.concat({ seq, at, '', '' }, ':') .. '\n' .. ARGV[7]
else
  index, text = ARGV[3], ARGV[5]
  local old = redis.call('HGET', messages, index)
  if not old then
    return { 'not_found' }
  end
  local revision, created_at, edited_at, deleted_at, rest = string.match(old, '^(%d+):(%d+):(%d*):(%d*)(\n.*)$')
  if not revision then
    return { 'corrupt' }
  end
  if revision ~= ARGV[4] then
    return { 'conflict' }
  end
  if deleted_at ~= '' then
    return { 'not_found' }
  end
  if kind == 'edited' then
    -- Stands in front of what else is known of the sender, once there is one: so older servers read the record as well.
    local edits, others = string.match(rest, '^\n{"edits":(%d+),(.*)$')
    edits, others = tonumber(edits or 0), others or string.sub(rest, 3)
    if edits >= tonumber(ARGV[7]) then
      return { 'edit_limit' }
    end
    if not has_space(1, ARGV[6]) then
      return { 'full' }
    end
    rest = '\n{"edits":' .. digits(edits + 1) .. ',' .. others
    edited_at = at
  else
    deleted_at = at
  end
  record = table.concat({ seq, created_at, edited_at, deleted_at }, ':') .. rest
end

redis.call('HSET', room, 'seq', seq, 'check', check)
redis.call('HSET', messages, index, record)
if text then
  redis.call('HSET', messages, index .. 't', text)
else
  redis.call('HDEL', messages, index .. 't')
end
redis.call('XADD', log, seq .. '-0', 'kind', kind, 'index', index, 'at', at, 'check', check)
keep(messages, expires_at, clock)
keep(log, expires_at, clock)

if kind == 'sent' then
  redis.call('HINCRBY', room, 'messages', 1)
  if redis.call('SADD', chatters, ARGV[3]) == 1 then
    redis.call('RPUSH', roster, ARGV[6])
    redis.call('HINCRBY', room, 'chatters', 1)
    keep(chatters, expires_at, clock)
    keep(roster, expires_at, clock)
  end
  if send_name then
    redis.call('HSET', room, 'named', 1)
    redis.call('HSET', once, send_name, seq)
    keep(once, expires_at, clock)
  end
end

local event = write_event(kind, seq, check, at, index, record, text)
redis.call(announce, events, event)
return { 'new', event }
