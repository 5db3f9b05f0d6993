-- Applies one change to a room, completely or not at all. KEYS: room, messages, log, once, chatters, roster, events.
-- ARGV: kind, entry tag, and then
--   sent: user id, client message id or '', maximum of messages, chatter, record, text, maximum of log entries
--   edited: index, revision, text, maximum of log entries, maximum of edits
--   deleted: index, revision
--
-- If Redis cannot write (no memory, no disk, a replica), it rejects the first write of a script and lets the others pass. So the
-- script decides everything before its first write, and that write is one that needs memory: nothing is left half done.

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

-- Every message has one field, and a second one for its text unless it is deleted. For each of the latter, a log entry is
-- reserved for its deletion.
local function has_space(entries, max_entries)
  local live = redis.call('HLEN', messages) - state[3]
  return state[2] + live + entries <= tonumber(max_entries)
end

local index, record, text, send_id
if kind == 'sent' then
  send_id = ARGV[4] ~= '' and ARGV[3] .. '\n' .. ARGV[4]
  local first = send_id and redis.call('HGET', once, send_id)
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
    -- The count of edits goes in front of the other fields once there is one, so that older servers can read the record too.
    local edits, fields = string.match(rest, '^\n{"edits":(%d+),(.*)$')
    edits, fields = tonumber(edits or 0), fields or string.sub(rest, 3)
    if edits >= tonumber(ARGV[7]) then
      return { 'edit_limit' }
    end
    if not has_space(1, ARGV[6]) then
      return { 'full' }
    end
    rest = '\n{"edits":' .. digits(edits + 1) .. ',' .. fields
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
  if send_id then
    redis.call('HSET', room, 'named', 1)
    redis.call('HSET', once, send_id, seq)
    keep(once, expires_at, clock)
  end
end

local event = write_event(kind, seq, check, at, index, record, text)
redis.call(announce, events, event)
return { 'new', event }
