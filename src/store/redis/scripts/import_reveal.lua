-- Reveals a staged room, completely or not at all.
-- KEYS: room; the staged messages, log, once, chatters, roster; and the final ones.
-- ARGV: code, created_at, expires_at, seq, entry tag, messages, chatters.

local room = KEYS[1]
local code, created_at, expires_at, seq, check, messages, chatters = unpack(ARGV)
if not is_alive(expires_at, now()) then
  return { 'ended' }
end
if redis.call('EXISTS', room) == 1 then
  return { 'differs' }
end
local last = digits(tonumber(messages) - 1)
if redis.call('XLEN', KEYS[3]) ~= tonumber(seq) or redis.call('LLEN', KEYS[6]) ~= tonumber(chatters)
  or messages ~= '0' and redis.call('HEXISTS', KEYS[2], last) == 0 then
  return { 'corrupt' }
end

-- The first write needs memory. A Redis without memory rejects it, and nothing has changed.
redis.call('HSET', room, 'code', code, 'created_at', created_at, 'expires_at', expires_at,
  'seq', seq, 'check', check, 'messages', messages, 'chatters', chatters)
redis.call('PEXPIREAT', room, expires_at)
for i = 2, 6 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 5])
    redis.call('PEXPIREAT', KEYS[i + 5], expires_at)
  end
end
return { 'moved' }
