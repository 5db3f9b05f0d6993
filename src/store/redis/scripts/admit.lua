-- Knows a user by its token and replaces the token, or makes the user known. KEYS: user.
-- ARGV: hash of the presented token or '', the successor sealed under it or '', hash of the successor, keep_until,
-- the name of a newcomer or ''.

local user = KEYS[1]
local presented, sealed, successor, keep_until, newcomer = unpack(ARGV)
local at = now()
local name, current, previous, kept, is_new =
  unpack(redis.call('HMGET', user, 'name', 'current', 'previous', 'sealed', 'new'))

-- From now on `withdraw` leaves the user alone: somebody was admitted as it since it was made known.
local function admitted_again()
  if is_new then
    redis.call('HDEL', user, 'new')
  end
end

if not current then
  if newcomer == '' then
    return { 'unknown' }
  end
  redis.call('HSET', user, 'name', newcomer, 'current', successor, 'previous', presented, 'sealed', sealed, 'new', 1)
  keep(user, keep_until, at)
  return { 'created', newcomer }
end
if presented == '' then
  return { 'wrong_token' }
end
if presented == current then
  redis.call('HSET', user, 'current', successor, 'previous', presented, 'sealed', sealed)
  admitted_again()
  keep(user, keep_until, at)
  return { 'rotated', name }
end
if presented == previous then
  admitted_again()
  keep(user, keep_until, at)
  return { 'repeated', name, kept }
end
return { 'wrong_token' }
