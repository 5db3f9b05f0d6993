-- Removes rooms from parts of the list of rooms, and rooms that have expired. KEYS: for each part, rooms by age and rooms by
-- expiry.
-- ARGV: entries.

local at = now()
for part = 1, #KEYS, 2 do
  prune_rooms(KEYS[part], KEYS[part + 1], at, 500)
  for _, entry in ipairs(ARGV) do
    call('ZREM', KEYS[part], entry)
    call('ZREM', KEYS[part + 1], entry)
  end
end
return { 'ok' }
