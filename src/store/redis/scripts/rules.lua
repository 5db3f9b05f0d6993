-- The rules of a room: bans, lock, slow mode.

-- Returns the end of the ban that holds for a user or its address: 0 for the room's life, nil without a ban.
local function find_ban(room, id, address, at)
  local own, there = unpack(call('HMGET', room, 'b' .. id, 'a' .. address))
  local _, last
  if own then
    _, _, last = struct.unpack(BAN, own)
  end
  if last and last > 0 and last <= at then
    last = nil
  end
  -- A signed identity stands for itself, wherever its user is.
  if there and last ~= 0 and string.byte(id) ~= 64 then
    there = struct.unpack('>I6', there)
    if there == 0 or there > at and there > (last or 0) then
      last = there
    end
  end
  return last
end

-- Returns the outcome and its detail if a rule forbids a user, who is no owner, to act. `extras` are not ''.
local function find_denial(room, extras, id, address, at)
  local _, _, locked, _, bans = struct.unpack(EXTRAS, extras)
  local banned_until = bans > 0 and find_ban(room, id, address, at)
  if banned_until then
    return 'banned', tostring(banned_until)
  end
  if locked == 1 then
    return 'locked'
  end
end

