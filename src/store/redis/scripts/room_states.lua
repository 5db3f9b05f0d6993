-- Returns the states of several rooms, without those that do not exist. KEYS: room, messages, log of each room in turn.
-- Returns for each room its index among the requested ones, from 0, the time, its state and its code.

local reply = { 'ok' }
for i = 1, #KEYS, 3 do
  local at = read_room(KEYS[i], KEYS[i + 1], KEYS[i + 2])
  if at then
    reply[#reply + 1] = tostring((i - 1) / 3)
    reply[#reply + 1] = tostring(at)
    local fields = call('HMGET', KEYS[i], 'state', 'code')
    reply[#reply + 1] = fields[1]
    reply[#reply + 1] = fields[2]
  end
end
return reply
