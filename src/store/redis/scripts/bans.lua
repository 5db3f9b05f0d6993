-- Bans. KEYS: room, messages, log, and three sorted sets. `bans` has the ids of banned users with the log numbers of their
-- bans, and `ban_ends` with the ends. In `ban_addresses` all scores are 0, and a member is an address with the id of a user.

-- Computes anew until when an address is banned.
local function refresh_address(address)
  local last
  for _, member in ipairs(call('ZRANGEBYLEX', KEYS[6], '[' .. address, '(' .. address .. '\255')) do
    local _, _, ban_end = struct.unpack(BAN, call('HGET', KEYS[1], 'b' .. string.sub(member, 17)))
    last = (ban_end == 0 or last == 0) and 0 or math.max(ban_end, last or 0)
  end
  if last then
    call('HSET', KEYS[1], 'a' .. address, struct.pack('>I6', last))
  else
    call('HDEL', KEYS[1], 'a' .. address)
  end
end

-- Removes the ban of a user, if there is one.
local function remove_ban(room, id)
  local ban = call('HGET', KEYS[1], 'b' .. id)
  if not ban then
    return
  end
  local _, _, _, address = struct.unpack(BAN, ban)
  room.bans = room.bans - 1
  call('HDEL', KEYS[1], 'b' .. id)
  call('ZREM', KEYS[4], id)
  call('ZREM', KEYS[5], id)
  if address ~= NO_ADDRESS then
    call('ZREM', KEYS[6], address .. id)
    refresh_address(address)
  end
end

