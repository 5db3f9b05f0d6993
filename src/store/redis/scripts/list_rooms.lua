-- Returns the newest rooms of several parts of the list. KEYS: for each part, rooms by age and rooms by expiry.
-- ARGV: start as ZREVRANGEBYLEX takes it, maximum per part.
-- Returns for each part the number of its rooms, the number of returned entries, and these entries.

local at = now()
local reply = { 'ok' }
for part = 1, #KEYS, 2 do
  local by_age, by_expiry = KEYS[part], KEYS[part + 1]
  local entries = call('ZREVRANGEBYLEX', by_age, ARGV[1], '-', 'LIMIT', 0, ARGV[2])
  reply[#reply + 1] = tostring(call('ZCOUNT', by_expiry, '(' .. at, '+inf'))
  reply[#reply + 1] = tostring(#entries)
  for _, entry in ipairs(entries) do
    reply[#reply + 1] = entry
  end
end
return reply
