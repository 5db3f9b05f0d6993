-- Returns the states of several rooms, without those that do not exist. KEYS: those of each room in turn.
-- Returns for each room its index among the requested ones, from 0, and its state.

local at = now()

-- Adds the other keys of a room, by the rule of `read_room`.
local function add_parts(parts, first, seq, named)
  if seq == '0' then
    return
  end
  for i = 1, 5 do
    if named or i ~= 3 then
      parts[#parts + 1] = KEYS[first + i]
    end
  end
end

local function do_exist(parts)
  return #parts == 0 or redis.call('EXISTS', unpack(parts)) == #parts
end

local rooms, all_parts = {}, {}
for first = 1, #KEYS, 6 do
  local fields = redis.call('HMGET', KEYS[first], 'named', 'code', 'created_at', 'expires_at', 'seq', 'check', 'messages',
    'chatters')
  if is_alive(fields[4], at) then
    add_parts(all_parts, first, fields[5], fields[1])
    rooms[#rooms + 1] = { first, fields }
  end
end

-- One check for all, as almost always all of them exist.
local are_all_complete = do_exist(all_parts)
local reply = { 'ok' }
for _, room in ipairs(rooms) do
  local first, fields = room[1], room[2]
  local is_complete = are_all_complete
  if not is_complete then
    local parts = {}
    add_parts(parts, first, fields[5], fields[1])
    is_complete = do_exist(parts)
  end
  if is_complete then
    reply[#reply + 1] = digits((first - 1) / 6)
    reply[#reply + 1] = digits(at)
    for i = 2, 8 do
      reply[#reply + 1] = fields[i]
    end
  end
end
return reply
