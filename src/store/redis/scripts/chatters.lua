-- Returns a page of a room's chatters. KEYS: those of the room. ARGV: window.

local roster = KEYS[6]
local state = read_room(now(), 'chatters')
if not state then
  return { 'not_found' }
end
local first, past = resolve_window(tonumber(state[1]), ARGV)
local reply = { 'ok', state[1] }
if first < past then
  for _, chatter in ipairs(redis.call('LRANGE', roster, digits(first), digits(past - 1))) do
    reply[#reply + 1] = chatter
  end
end
return reply
