-- Imports a user of another store. KEYS: user. ARGV: its string as `authenticate.lua` describes it, expires_at.

local user = KEYS[1]
local record, expires_at = ARGV[1], tonumber(ARGV[2])
if expires_at <= now() then
  return { 'ended' }
end
local existing = call('GET', user)
if existing then
  -- The tokens and the name must be the same. The time until which the user is kept may differ.
  if string.sub(existing, 1, 64) ~= string.sub(record, 1, 64) or string.sub(existing, 88) ~= string.sub(record, 88) then
    return { 'differs' }
  end
  if struct.unpack('>I6', existing, 82) >= expires_at then
    return { 'there' }
  end
end
call('SET', user, record, 'PXAT', ARGV[2])
return { existing and 'there' or 'moved' }
