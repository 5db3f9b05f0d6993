-- Returns a page of a room's authors, in the order of their first messages. KEYS: room, messages, log. ARGV, the window: after
-- or '', before or '', 'first' or 'last', count.

local room = KEYS[1]
local at, _, _, _, _, _, count = read_room(unpack(KEYS))
if not at then
  return { 'not_found' }
end
-- The same as `Window::range`.
local after, before, from, n = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local first = after and math.min(after + 1, count) or 0
local past = before and math.max(first, math.min(before, count)) or count
if from == 'first' then
  past = math.min(past, first + n)
else
  first = math.max(first, past - n)
end
local reply = { 'ok', tostring(count) }
for number = first, past - 1 do
  local id = call('HGET', room, 'n' .. number)
  reply[#reply + 1] = id .. '\n' .. string.sub(call('HGET', room, 'u' .. id), 24)
end
return reply
