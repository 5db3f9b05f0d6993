-- Keeps how many viewers of a room a node has. KEYS: viewers. ARGV: node, count, how long it counts in ms.

local viewers, node, count = KEYS[1], ARGV[1], ARGV[2]
if count == '0' then
  redis.call('HDEL', viewers, node)
else
  local past = digits(now() + ARGV[3])
  redis.call('HSET', viewers, node, count .. ':' .. past)
  redis.call('PEXPIREAT', viewers, past)
end
return { 'ok' }
