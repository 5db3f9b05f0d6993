-- The newest rooms of several parts of the list, from a place on. KEYS: for each part, rooms by age and rooms by expiry.
-- ARGV: where to start as ZREVRANGEBYLEX wants it, how many of each part, whether to take expired ones off first (1 or 0).
-- Answers for each part how many rooms it has, how many entries follow, and these.

local at = now()
local answer = { 'ok' }
for part = 1, #KEYS, 2 do
  local by_age, by_expiry = KEYS[part], KEYS[part + 1]
  if ARGV[3] == '1' then
    prune_rooms(by_age, by_expiry, at, 500)
  end
  local entries = redis.call('ZREVRANGEBYLEX', by_age, ARGV[1], '-', 'LIMIT', 0, ARGV[2])
  answer[#answer + 1] = digits(redis.call('ZCOUNT', by_expiry, '(' .. digits(at), '+inf'))
  answer[#answer + 1] = digits(#entries)
  for _, entry in ipairs(entries) do
    answer[#answer + 1] = entry
  end
end
return answer
