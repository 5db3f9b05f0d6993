-- Log entries behind a position, with their messages as they are now. KEYS: of the room.
-- ARGV: seq, check, how many.

local messages, log = KEYS[2], KEYS[3]
if not read_room(now()) then
  return { 'not_found' }
end

local seq, check, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local from_start = seq == '0'
local id = seq .. '-0'
-- One more than asked for: the entry that the position names comes first and shows whether it is the same.
local entries = redis.call('XRANGE', log, id, '+', 'COUNT', digits(limit + 1))
if from_start then
  if check ~= '0000000000000000' then
    return { 'foreign' }
  end
else
  local named = table.remove(entries, 1)
  if not named or named[1] ~= id or named[2][8] ~= check then
    return { 'foreign' }
  end
end

local count = math.min(#entries, limit)
local names = {}
for i = 1, count do
  local index = entries[i][2][4]
  names[#names + 1] = index
  names[#names + 1] = index .. 't'
end
local values = read_fields(messages, names)
local answer = { 'ok' }
for i = 1, count do
  local entry, record = entries[i][2], values[2 * i - 1]
  if not record then
    return { 'corrupt' }
  end
  local number = string.match(entries[i][1], '^%d+')
  answer[i + 1] = write_event(entry[2], number, entry[8], entry[6], entry[4], record, values[2 * i])
end
return answer
