-- A page of one part of the list of rooms, newest first. KEYS: rooms by age, rooms by expiry.
-- ARGV: where to start as ZREVRANGEBYLEX wants it, how many.

local by_age, by_expiry = KEYS[1], KEYS[2]
local at = now()
prune_rooms(by_age, by_expiry, at, 500)
local answer = { 'ok', digits(redis.call('ZCOUNT', by_expiry, '(' .. digits(at), '+inf')) }
for _, entry in ipairs(redis.call('ZREVRANGEBYLEX', by_age, ARGV[1], '-', 'LIMIT', 0, ARGV[2])) do
  answer[#answer + 1] = entry
end
return answer
