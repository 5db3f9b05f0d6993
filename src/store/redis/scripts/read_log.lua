-- Returns log entries after a position, with the current state of their messages. KEYS: those of the room.
-- ARGV: seq, entry tag, maximum of entries.

local messages, log = KEYS[2], KEYS[3]
if not read_room(now()) then
  return { 'not_found' }
end

local seq, check, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local from_start = seq == '0'
local id = seq .. '-0'
-- One more than requested: the first is the entry of the position, whose tag is compared.
local entries = redis.call('XRANGE', log, id, '+', 'COUNT', digits(limit + 1))
if from_start then
  if check ~= '0000000000000000' then
    return { 'foreign' }
  end
else
  local previous = table.remove(entries, 1)
  if not previous or previous[1] ~= id or previous[2][8] ~= check then
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
local reply = { 'ok' }
for i = 1, count do
  local entry, record = entries[i][2], values[2 * i - 1]
  if not record then
    return { 'corrupt' }
  end
  local number = string.match(entries[i][1], '^%d+')
  reply[i + 1] = write_event(entry[2], number, entry[8], entry[6], entry[4], record, values[2 * i])
end
return reply
