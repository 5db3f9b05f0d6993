-- Registers a user in a room without a message, or updates its role and address. KEYS: room, messages, log.
-- ARGV: user id, mark, name, picture or '', maximum of users that have joined without a message. Returns what `member.lua`
-- returns.

local id, mark, name, avatar, max_joined = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
local record, joined = unpack(call('HMGET', KEYS[1], 'u' .. id, 'joined'))
local old_role, old_address, number = 'M', NO_ADDRESS, 0
if record then
  old_role, old_address, number = struct.unpack(MEMBER, record)
end
local is_owner = string.byte(mark) == 111 or string.lower(old_role) == 'o'
local banned_until = room.bans > 0 and not is_owner and find_ban(KEYS[1], id, string.sub(mark, 2), room.at)
if banned_until then
  return { 'banned', tostring(banned_until) }
end
if not record and tonumber(joined or 0) >= tonumber(max_joined) then
  return { 'full' }
end

local role, address = is_owner and 'o' or string.lower(old_role), string.sub(mark, 2)
role = old_role == string.upper(old_role) and string.upper(role) or role
address = address == NO_ADDRESS and old_address or address
local profile, more = name .. '\n' .. avatar, ''
if record then
  local old_profile
  old_profile, more = string.match(record, PROFILE_AND_MORE, 24)
  profile = string.byte(id) == 64 and profile or old_profile
end
local member = struct.pack(MEMBER, role, address, number) .. profile .. more
if member ~= record then
  call('HSET', KEYS[1], 'u' .. id, member)
end
if not record then
  call('HINCRBY', KEYS[1], 'joined', 1)
end
return { 'ok', tostring(room.seq), room.tag, role, profile, '' }
