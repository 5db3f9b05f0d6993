-- Returns a room and a page of its messages. KEYS: those of the room.
-- ARGV: window, as after or '', before or '', 'first' or 'last', count.

local messages = KEYS[2]
local at = now()
local state = read_room(at, 'code', 'created_at', 'expires_at', 'seq', 'check', 'messages', 'chatters')
if not state then
  return { 'not_found' }
end
local reply = { 'ok', digits(at), unpack(state) }

local first, past = resolve_window(tonumber(state[6]), ARGV)
local names = {}
for index = first, past - 1 do
  names[#names + 1] = digits(index)
  names[#names + 1] = digits(index) .. 't'
end
local values = read_fields(messages, names)
for i = 1, #names, 2 do
  if not values[i] then
    return { 'corrupt' }
  end
  reply[#reply + 1] = with_text(values[i], values[i + 1])
end
return reply
