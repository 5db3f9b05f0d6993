-- Bans a user, or lifts its ban. KEYS: room, messages, log, bans, ban_ends, ban_addresses. ARGV: kind ('b' or 'n'), entry tag,
-- maximum of log entries, user id; to ban also the duration in ms or '', the reason or '', the maximum of bans.

local kind, tag, max_entries, id, duration, reason, max_bans = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
local member = call('HGET', KEYS[1], 'u' .. id)
if not member then
  return { 'no_target' }
end
local role, address = struct.unpack(MEMBER, member)
if kind == 'b' and (role == 'o' or role == 'O') then
  return { 'is_owner' }
end
local is_banned = call('HEXISTS', KEYS[1], 'b' .. id) == 1
if is_full(room, max_entries) then
  return { 'full' }
end
if kind == 'b' and not is_banned and room.bans >= tonumber(max_bans)
  and call('ZCOUNT', KEYS[5], '(' .. room.at, '+inf') >= tonumber(max_bans) then
  return { 'full' }
end

local entry = next_entry(room, kind, 0, tag)
local user = id .. '\n' .. string.match(member, PROFILE, 24) .. '\n'
local ban_end = kind == 'b' and duration ~= '' and room.at + duration or 0
local payload = kind == 'b' and struct.pack('>I6', ban_end) .. user .. reason .. '\n' or user
call('RPUSH', KEYS[3], entry .. payload)
remove_ban(room, id)
for _, ended in ipairs(call('ZRANGEBYSCORE', KEYS[5], '-inf', room.at, 'LIMIT', 0, 100)) do
  remove_ban(room, ended)
end
if kind == 'b' then
  -- Whoever has a signed identity cannot come back under a new id.
  if string.byte(id) == 64 then
    address = NO_ADDRESS
  end
  call('HSET', KEYS[1], 'b' .. id, struct.pack(BAN, room.seq, room.at, ban_end, address) .. reason)
  call('ZADD', KEYS[4], room.seq, id)
  call('ZADD', KEYS[5], ban_end == 0 and '+inf' or ban_end, id)
  call('PEXPIREAT', KEYS[4], room.expires_at)
  call('PEXPIREAT', KEYS[5], room.expires_at)
  if address ~= NO_ADDRESS then
    call('ZADD', KEYS[6], 0, address .. id)
    call('PEXPIREAT', KEYS[6], room.expires_at)
    refresh_address(address)
  end
  room.bans = room.bans + 1
end
write_state(room)
call(ANNOUNCE, KEYS[1], entry .. payload)
return { 'new', entry .. payload }
