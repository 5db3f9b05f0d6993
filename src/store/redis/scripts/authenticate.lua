-- Authenticates a user and rotates the token, or registers the user. KEYS: user.
-- ARGV: hash of the presented token or '', the next token sealed under it or '', hash of the next token, keep_until,
-- the name to register or ''.

local user = KEYS[1]
local presented, sealed, next_token, keep_until, new_name = unpack(ARGV)
local at = now()
local name, current, previous, repeated, is_new =
  unpack(redis.call('HMGET', user, 'name', 'current', 'previous', 'sealed', 'new'))

-- From now on `forget_new_user` keeps the user, because it was authenticated again after its registration.
local function mark_established()
  if is_new then
    redis.call('HDEL', user, 'new')
  end
end

if not current then
  if new_name == '' then
    return { 'unknown' }
  end
  redis.call('HSET', user, 'name', new_name, 'current', next_token, 'previous', presented, 'sealed', sealed, 'new', 1)
  keep(user, keep_until, at)
  return { 'created', new_name }
end
if presented == '' then
  return { 'wrong_token' }
end
if presented == current then
  redis.call('HSET', user, 'current', next_token, 'previous', presented, 'sealed', sealed)
  mark_established()
  keep(user, keep_until, at)
  return { 'rotated', name }
end
if presented == previous then
  mark_established()
  keep(user, keep_until, at)
  return { 'repeated', name, repeated }
end
return { 'wrong_token' }
