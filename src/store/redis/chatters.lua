-- A page of a room's chatters. KEYS: room, roster. ARGV: a window.

local room, roster = KEYS[1], KEYS[2]
local state = redis.call('HMGET', room, 'expires_at', 'chatters')
if not is_alive(state[1], now()) then
  return { 'not_found' }
end
local first, past = resolve_window(tonumber(state[2]), ARGV)
local answer = { 'ok', state[2] }
if first < past then
  for _, chatter in ipairs(redis.call('LRANGE', roster, digits(first), digits(past - 1))) do
    answer[#answer + 1] = chatter
  end
end
return answer
