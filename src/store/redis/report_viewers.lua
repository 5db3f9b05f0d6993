-- Keeps how many viewers of a room a node has. KEYS: room, viewers. ARGV: node, count, how long it counts in ms.

local room, viewers, node, count = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local at = now()
local expires_at = redis.call('HGET', room, 'expires_at')
if count == '0' or not is_alive(expires_at, at) then
  redis.call('HDEL', viewers, node)
else
  local past = digits(math.min(at + ARGV[3], tonumber(expires_at)))
  redis.call('HSET', viewers, node, count .. ':' .. past)
  redis.call('PEXPIREAT', viewers, past)
end
return { 'ok' }
