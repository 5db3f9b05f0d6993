-- Functions that several scripts share.

local function now()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Returns the time in a room and the parts of its state; nil if the room is gone. A room is also gone if Redis has evicted one
-- of its keys: no key is created again. The log exists as long as the room, so its time to live tells the time. Redis still
-- returns a key within the millisecond in which it expires, with nothing left of its life.
local function read_room(room, messages, log)
  local state, left = call('HGET', room, 'state'), call('PTTL', log)
  if not state or left < 1 then
    return nil
  end
  local expires_at, created_at, seq, message_count, reserved, authors, tag = struct.unpack(STATE, state)
  if message_count > 0 and call('EXISTS', messages) == 0 then
    return nil
  end
  return expires_at - left, expires_at, created_at, seq, message_count, reserved, authors, tag, string.sub(state, 45)
end
