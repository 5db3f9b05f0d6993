-- Imports a user of another store. KEYS: user.
-- ARGV: name, hash of the current token, hash of the previous one or '', the current one sealed under it or '', expires_at.

local user = KEYS[1]
local name, current, previous, sealed, expires_at = unpack(ARGV)
local at = now()
if not is_alive(expires_at, at) then
  return { 'ended' }
end
local existing = redis.call('HMGET', user, 'name', 'current', 'previous')
if existing[2] then
  if existing[1] ~= name or existing[2] ~= current or existing[3] ~= previous then
    return { 'differs' }
  end
  keep(user, expires_at, at)
  return { 'there' }
end
redis.call('HSET', user, 'name', name, 'current', current, 'previous', previous, 'sealed', sealed)
keep(user, expires_at, at)
return { 'moved' }
