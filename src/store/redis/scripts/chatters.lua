-- A page of a room's chatters. KEYS: of the room. ARGV: a window.

local roster = KEYS[6]
local state = read_room(now(), 'chatters')
if not state then
  return { 'not_found' }
end
local first, past = resolve_window(tonumber(state[1]), ARGV)
local answer = { 'ok', state[1] }
if first < past then
  for _, chatter in ipairs(redis.call('LRANGE', roster, digits(first), digits(past - 1))) do
    answer[#answer + 1] = chatter
  end
end
return answer
