-- Removes a room with everything in it. KEYS: all keys of the room, beginning with room, messages, log. Returns when it was
-- created.

local at, _, created_at = read_room(KEYS[1], KEYS[2], KEYS[3])
call('UNLINK', unpack(KEYS))
if not at then
  return { 'not_found' }
end
call(ANNOUNCE, KEYS[1], 'E')
return { 'ok', tostring(created_at) }
