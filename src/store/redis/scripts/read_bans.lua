-- Returns a page of the bans that hold. KEYS: room, messages, log, bans, ban_ends. ARGV: the number after which to begin,
-- maximum of bans. Returns the number of all bans that hold, and for each ban of the page number, time, end or 0, user and
-- reason.

local room = KEYS[1]
local at = read_room(KEYS[1], KEYS[2], KEYS[3])
if not at then
  return { 'not_found' }
end
local limit = tonumber(ARGV[2])
local reply = { 'ok', tostring(call('ZCOUNT', KEYS[5], '(' .. at, '+inf')) }
local count, offset = 0, 0
repeat
  local ids = call('ZRANGEBYSCORE', KEYS[4], '(' .. ARGV[1], '+inf', 'LIMIT', offset, limit)
  for _, id in ipairs(ids) do
    local ban, user = unpack(call('HMGET', room, 'b' .. id, 'u' .. id))
    local number, began_at, ban_end, _, reason = struct.unpack(BAN, ban)
    if (ban_end == 0 or ban_end > at) and count < limit then
      count = count + 1
      for _, value in ipairs({ tostring(number), tostring(began_at), tostring(ban_end), id .. '\n' .. string.sub(user, 24),
        string.sub(ban, reason) }) do
        reply[#reply + 1] = value
      end
    end
  end
  offset = offset + #ids
until #ids == 0 or count >= limit
return reply
