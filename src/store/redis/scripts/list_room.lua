-- Adds a room to its part of the list of rooms. KEYS: rooms by age, rooms by expiry. ARGV: entry, expires_at.

local by_age, by_expiry = KEYS[1], KEYS[2]
local entry, expires_at = ARGV[1], ARGV[2]
local at = now()
call('ZADD', by_age, 0, entry)
call('ZADD', by_expiry, expires_at, entry)
-- Every new room removes expired ones, so each part stays bounded even if it is never read.
prune_rooms(by_age, by_expiry, at, 100)
-- The list expires with its last room.
if call('PTTL', by_age) < expires_at - at then
  call('PEXPIREAT', by_age, expires_at)
  call('PEXPIREAT', by_expiry, expires_at)
end
return { 'ok' }
