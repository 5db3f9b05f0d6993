-- Adds a room to its part of the list of rooms. KEYS: rooms by age, rooms by expiry. ARGV: entry, expires_at.

local entry, expires_at = ARGV[1], ARGV[2]
local at = now()
call('ZADD', KEYS[1], 0, entry)
call('ZADD', KEYS[2], expires_at, entry)
-- Every new room removes expired ones, so each part stays bounded even if it is never read.
prune_rooms(KEYS[1], KEYS[2], at, 100)
-- The list expires with its last room.
for _, key in ipairs(KEYS) do
  if call('PTTL', key) < expires_at - at then
    call('PEXPIREAT', key, expires_at)
  end
end
return { 'ok' }
