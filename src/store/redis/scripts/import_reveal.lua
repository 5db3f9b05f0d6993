-- Reveals a staged room, completely or not at all. KEYS: the staged parts, beginning with room, messages, log; and the final
-- ones.
-- ARGV: state, about.

local parts = #KEYS / 2
local expires_at, _, seq, messages, _, authors = struct.unpack(STATE, ARGV[1])
if expires_at <= now() then
  return { 'ended' }
end
if call('EXISTS', unpack(KEYS, parts + 1)) > 0 then
  return { 'differs' }
end
if call('LLEN', KEYS[3]) ~= seq + 1 or call('LLEN', KEYS[2]) ~= messages
  or authors > 0 and call('HEXISTS', KEYS[1], 'n' .. authors - 1) == 0 then
  return { 'corrupt' }
end

-- The first write needs memory. A Redis without memory rejects it, and nothing has changed.
call('HSET', KEYS[1], 'state', ARGV[1], 'about', ARGV[2])
call('PEXPIREAT', KEYS[1], expires_at)
for i = 1, parts do
  if call('EXISTS', KEYS[i]) == 1 then
    call('RENAME', KEYS[i], KEYS[i + parts])
  end
end
return { 'moved' }
