-- Returns log entries after a position. Those about a message are followed by its current state. KEYS: room, messages, log.
-- ARGV: log number, entry tag, maximum of entries.

local room, messages, log = unpack(KEYS)
local after, tag, limit = unpack(ARGV)
local at, _, _, seq = read_room(room, messages, log)
if not at then
  return { 'not_found' }
end
if tonumber(after) > seq then
  return { 'foreign' }
end
-- The first entry is that of the position. Its tag must be the given one.
local entries = call('LRANGE', log, after, after + limit)
if string.sub(entries[1], 20, 27) ~= tag then
  return { 'foreign' }
end

local indexes, lowest, highest, count = {}, math.huge, 0, 0
for i = 2, #entries do
  local kind, _, _, index = struct.unpack(ENTRY, entries[i])
  if string.find(MESSAGE_KINDS, kind, 1, true) then
    indexes[i], lowest, highest, count = index, math.min(lowest, index), math.max(highest, index), count + 1
  end
end
-- Most entries are sends, whose messages follow each other. Changes of old messages may be far apart.
local are_close = count > 0 and highest - lowest < 2 * count + 2
local page = are_close and call('LRANGE', messages, lowest, highest)
local reply = { 'ok' }
for i = 2, #entries do
  reply[#reply + 1] = entries[i]
  if indexes[i] then
    reply[#reply + 1] = page and page[indexes[i] - lowest + 1] or call('LINDEX', messages, indexes[i])
  end
end
return reply
