-- Returns the commands of the other scripts that this user may not run. KEYS: an unused key. ARGV: an unused channel.
-- The key holds a string. Most commands fail on a value of that type; the others change only this key.

local key, channel = KEYS[1], ARGV[1]

local function is_denied(...)
  local reply = redis.pcall(...)
  local error = type(reply) == 'table' and reply.err
  return error and (string.find(error, 'user executing the script') or string.find(error, 'User executing the script')
    or string.find(error, 'permissions'))
end

for _, call in ipairs({ { 'SET', key, 1, 'PX', 1000 }, { 'GET', key } }) do
  if is_denied(unpack(call)) then
    return { call[1] }
  end
end
-- A Redis that cannot write now is reported elsewhere.
if redis.pcall('GET', key) ~= '1' then
  return {}
end
local denied = {}
for _, call in ipairs({
  { 'HDEL', key, 1 }, { 'HEXISTS', key, 1 }, { 'HGET', key, 1 }, { 'HGETALL', key }, { 'HINCRBY', key, 1, 1 },
  { 'HMGET', key, 1 }, { 'HSET', key, 1, 1 },
  { 'LINDEX', key, 0 }, { 'LLEN', key }, { 'LRANGE', key, 0, 0 }, { 'LSET', key, 0, 1 }, { 'RPUSH', key, 1 },
  { 'RPUSHX', key, 1 }, { 'SETRANGE', key, 0, 1 },
  { 'SADD', key, 1 }, { 'SCARD', key }, { 'SISMEMBER', key, 1 }, { 'SREM', key, 1 },
  { 'ZADD', key, 1, 1 }, { 'ZCOUNT', key, 0, 1 }, { 'ZRANGEBYLEX', key, '-', '+' }, { 'ZRANGEBYSCORE', key, 0, 1 },
  { 'ZREM', key, 1 }, { 'ZREMRANGEBYLEX', key, '-', '+' }, { 'ZREVRANGEBYLEX', key, '+', '-' }, { 'ZSCORE', key, 1 },
  { 'TIME' }, { 'PUBLISH', channel, '' },
  { 'EXISTS', key }, { 'INCR', key }, { 'DECR', key }, { 'RENAME', key, key }, { 'PTTL', key },
  { 'PEXPIRE', key, 1000 }, { 'PEXPIREAT', key, 1 }, { 'DEL', key }, { 'UNLINK', key },
}) do
  if is_denied(unpack(call)) then
    denied[#denied + 1] = call[1]
  end
end
return denied
