-- Returns the states of several rooms, without those that are gone. KEYS: room, messages, log of each room in turn.
-- Returns for each room its index among the requested ones, from 0, the time, its state and `about`.

local at = now()

local function do_exist(keys)
  return #keys == 0 or call('EXISTS', unpack(keys)) == #keys
end

local rooms, all_keys = {}, {}
for i = 1, #KEYS, 3 do
  local state, about = unpack(call('HMGET', KEYS[i], 'state', 'about'))
  if state then
    local expires_at, _, _, message_count = struct.unpack(STATE, state)
    if expires_at > at then
      local keys = message_count > 0 and { KEYS[i + 2], KEYS[i + 1] } or { KEYS[i + 2] }
      for _, key in ipairs(keys) do
        all_keys[#all_keys + 1] = key
      end
      rooms[#rooms + 1] = { tostring((i - 1) / 3), state, about, keys }
    end
  end
end

-- Almost always all keys exist, so check them together first.
local are_all_complete = do_exist(all_keys)
local reply = { 'ok' }
for _, room in ipairs(rooms) do
  local index, state, about, keys = unpack(room)
  if are_all_complete or do_exist(keys) then
    for _, value in ipairs({ index, tostring(at), state, about }) do
      reply[#reply + 1] = value
    end
  end
end
return reply
