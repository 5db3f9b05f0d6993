-- Stores a node's viewer counts of several rooms. KEYS: room, messages, log and viewers of each.
-- ARGV: node, how long a count is valid in ms, count of each.

local node = ARGV[1]

-- Removes the counts of nodes that no longer report.
local function remove_outdated(viewers, at)
  local reports = call('HGETALL', viewers)
  for i = 1, #reports, 2 do
    if tonumber(string.match(reports[i + 1], '^%d+:(%d+)') or 0) <= at then
      call('HDEL', viewers, reports[i])
    end
  end
end

for i = 1, #KEYS, 4 do
  local viewers, count = KEYS[i + 3], ARGV[2 + (i + 3) / 4]
  local at, expires_at = read_room(KEYS[i], KEYS[i + 1], KEYS[i + 2])
  if count == '0' or not at then
    call('HDEL', viewers, node)
  else
    local valid_until = math.min(at + ARGV[2], expires_at)
    -- The hash only grows with a new node.
    if call('HSET', viewers, node, count .. ':' .. string.format('%.0f', valid_until)) == 1 then
      remove_outdated(viewers, at)
    end
    call('PEXPIREAT', viewers, valid_until)
  end
end
return { 'ok' }
