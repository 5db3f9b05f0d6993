-- Stores which users are present on a node. KEYS: room, messages, log, presence, nodes.
-- ARGV: node (16 characters), how long the report is valid in ms, whether it is complete (1 or 0), how many users have changed;
-- a pair of user id and record for each of these; the ids of users that left. A record is role, name, line break, picture or
-- ''. The hash `nodes` has the end of the last report of each node, and the hash `presence` has the records by node and user
-- id.

local node, valid, is_complete, changed = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local at, expires_at = read_room(KEYS[1], KEYS[2], KEYS[3])
if not at then
  return { 'not_found' }
end
local is_known, outdated, has_outdated = false, {}, false
local reports = call('HGETALL', KEYS[5])
for i = 1, #reports, 2 do
  if tonumber(string.match(reports[i + 1], '^%d+') or 0) <= at then
    outdated[reports[i]], has_outdated = true, true
  elseif reports[i] == node then
    is_known = true
  end
end
if not is_known and not is_complete then
  return { 'ok', '0' }
end

local valid_until = math.min(at + valid, expires_at)
call('HSET', KEYS[5], node, valid_until)
call('PEXPIREAT', KEYS[5], valid_until)
-- The users of a node that was silent for too long have vanished.
local has_changed = not is_known and changed > 0
local new = {}
for i = 5, 3 + 2 * changed, 2 do
  new[node .. ARGV[i]] = ARGV[i + 1]
end
if is_complete or has_outdated then
  local present = call('HGETALL', KEYS[4])
  for i = 1, #present, 2 do
    local from = string.sub(present[i], 1, 16)
    if from == node and is_complete and new[present[i]] == present[i + 1] then
      new[present[i]] = nil
    elseif from == node and is_complete and not new[present[i]] or from ~= node and outdated[from] then
      call('HDEL', KEYS[4], present[i])
      has_changed = true
    end
  end
end
for field, record in pairs(new) do
  call('HSET', KEYS[4], field, record)
  has_changed = true
end
for i = 5 + 2 * changed, #ARGV do
  has_changed = call('HDEL', KEYS[4], node .. ARGV[i]) == 1 or has_changed
end
for other in pairs(outdated) do
  if other ~= node then
    call('HDEL', KEYS[5], other)
  end
end
call('PEXPIREAT', KEYS[4], valid_until)
if has_changed then
  call(ANNOUNCE, KEYS[1], 'P' .. node)
end
return { 'ok', is_known and '1' or '0' }
