-- Adds a room to its part of the list of rooms. KEYS: rooms by age, rooms by expiry. ARGV: entry, expires_at.

local by_age, by_expiry = KEYS[1], KEYS[2]
local at = now()
redis.call('ZADD', by_age, 0, ARGV[1])
redis.call('ZADD', by_expiry, ARGV[2], ARGV[1])
-- Every new room removes expired ones, so each part stays bounded even if it is never read.
prune_rooms(by_age, by_expiry, at, 100)
keep(by_age, ARGV[2], at)
keep(by_expiry, ARGV[2], at)
return { 'ok' }
