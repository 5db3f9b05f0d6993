-- Writes a page of a room aside. KEYS, all aside: messages, log, once, chatters, roster. ARGV: expires_at, and then
--   'messages': field, value, for each field of the messages
--   'chatters': user id, chatter, for each chatter in order
--   'log': seq, kind, index, at, check, the name of the send or '', for each entry in order

local messages, log, once, chatters, roster = unpack(KEYS)
local expires_at, what = ARGV[1], ARGV[2]
local at = now()

if what == 'messages' then
  for i = 3, #ARGV, 2 do
    redis.call('HSET', messages, ARGV[i], ARGV[i + 1])
  end
elseif what == 'chatters' then
  for i = 3, #ARGV, 2 do
    redis.call('SADD', chatters, ARGV[i])
    redis.call('RPUSH', roster, ARGV[i + 1])
  end
else
  for i = 3, #ARGV, 6 do
    local seq, kind, index, time, check, name = unpack(ARGV, i, i + 5)
    redis.call('XADD', log, seq .. '-0', 'kind', kind, 'index', index, 'at', time, 'check', check)
    if name ~= '' then
      redis.call('HSET', once, name, seq)
    end
  end
end
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    keep(key, expires_at, at)
  end
end
return { 'ok' }
