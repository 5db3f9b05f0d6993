-- Returns the newest rooms of several parts of the list. KEYS: for each part, rooms by age and rooms by expiry.
-- ARGV: start as ZREVRANGEBYLEX takes it, maximum per part.
-- Returns for each part the number of its rooms, the number of returned entries, these entries, the number of those that have
-- expired, and these again. Rooms that have expired are not counted.

local at = now()
local reply = { 'ok' }

local function append(values)
  reply[#reply + 1] = tostring(#values)
  for _, value in ipairs(values) do
    reply[#reply + 1] = value
  end
end

for part = 1, #KEYS, 2 do
  local by_age, by_expiry = KEYS[part], KEYS[part + 1]
  local entries = call('ZREVRANGEBYLEX', by_age, ARGV[1], '-', 'LIMIT', 0, ARGV[2])
  local expired = {}
  -- Seldom, because new rooms remove expired ones from their part.
  if call('ZCOUNT', by_expiry, '-inf', at) > 0 then
    for _, entry in ipairs(entries) do
      if tonumber(call('ZSCORE', by_expiry, entry) or 0) <= at then
        expired[#expired + 1] = entry
      end
    end
  end
  reply[#reply + 1] = tostring(call('ZCOUNT', by_expiry, '(' .. at, '+inf'))
  append(entries)
  append(expired)
end
return reply
