-- Makes a user known that another store knew. KEYS: user.
-- ARGV: name, hash of the current token, hash of the one before or '', the current one sealed under it or '', expires_at.

local user = KEYS[1]
local name, current, previous, sealed, expires_at = unpack(ARGV)
local at = now()
if not is_alive(expires_at, at) then
  return { 'ended' }
end
local there = redis.call('HMGET', user, 'name', 'current', 'previous')
if there[2] then
  if there[1] ~= name or there[2] ~= current or there[3] ~= previous then
    return { 'differs' }
  end
  keep(user, expires_at, at)
  return { 'there' }
end
redis.call('HSET', user, 'name', name, 'current', current, 'previous', previous, 'sealed', sealed)
keep(user, expires_at, at)
return { 'moved' }
