-- The states of several rooms, without those that are not there. KEYS: of each room in turn.
-- Answers for each room its place among those asked for, from 0, and its state.

local at = now()

-- What else a room consists of, as `read_room` has it.
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

local function are_there(parts)
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

-- All at once, as they are there almost always.
local are_whole = are_there(all_parts)
local answer = { 'ok' }
for _, room in ipairs(rooms) do
  local first, fields = room[1], room[2]
  local is_whole = are_whole
  if not is_whole then
    local parts = {}
    add_parts(parts, first, fields[5], fields[1])
    is_whole = are_there(parts)
  end
  if is_whole then
    answer[#answer + 1] = digits((first - 1) / 6)
    answer[#answer + 1] = digits(at)
    for i = 2, 8 do
      answer[#answer + 1] = fields[i]
    end
  end
end
return answer
