-- Stages a page of a room. KEYS, all staged: messages, log, once, chatters, roster. ARGV: expires_at, and then
--   'messages': field, value, for each field of the messages
--   'chatters': user id, chatter, for each chatter in order
--   'log': seq, kind, index, at, entry tag, user id and client message id or '', for each entry in order

local messages, log, once, chatters, roster = unpack(KEYS)
local expires_at, data = ARGV[1], ARGV[2]
local at = now()

if data == 'messages' then
  for i = 3, #ARGV, 2 do
    redis.call('HSET', messages, ARGV[i], ARGV[i + 1])
  end
elseif data == 'chatters' then
  for i = 3, #ARGV, 2 do
    redis.call('SADD', chatters, ARGV[i])
    redis.call('RPUSH', roster, ARGV[i + 1])
  end
else
  for i = 3, #ARGV, 6 do
    local seq, kind, index, time, check, send_id = unpack(ARGV, i, i + 5)
    redis.call('XADD', log, seq .. '-0', 'kind', kind, 'index', index, 'at', time, 'check', check)
    if send_id ~= '' then
      redis.call('HSET', once, send_id, seq)
    end
  end
end
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    keep(key, expires_at, at)
  end
end
return { 'ok' }
