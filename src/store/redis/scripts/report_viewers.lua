-- Stores a node's viewer counts of several rooms. KEYS: room and viewers of each.
-- ARGV: node, how long a count is valid in ms, count of each.

local node = ARGV[1]
local at = now()
for i = 1, #KEYS, 2 do
  local room, viewers, count = KEYS[i], KEYS[i + 1], ARGV[2 + (i + 1) / 2]
  local expires_at = read_expiry(room, at)
  if count == '0' or not expires_at then
    call('HDEL', viewers, node)
  else
    local valid_until = math.min(at + ARGV[2], expires_at)
    call('HSET', viewers, node, count .. ':' .. valid_until)
    call('PEXPIREAT', viewers, valid_until)
  end
end
return { 'ok' }
