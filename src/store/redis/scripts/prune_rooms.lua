-- Removes at most `count` expired rooms from a part of the list of rooms.
local function prune_rooms(by_age, by_expiry, at, count)
  local expired = call('ZRANGEBYSCORE', by_expiry, '-inf', at, 'LIMIT', 0, count)
  if #expired > 0 then
    call('ZREM', by_age, unpack(expired))
    call('ZREM', by_expiry, unpack(expired))
  end
end

