-- Changes settings of a room. KEYS: room, messages, log. ARGV: entry tag, maximum of log entries; title after '=', whether the
-- room is listed (1 or 0), capacity or 0, seconds of slow mode, whether it is locked (1 or 0); how many messages before count
-- in slow mode. An empty argument changes nothing.

local tag, max_entries, new_title, new_listed, new_capacity, new_seconds, new_locked, lookback = unpack(ARGV)
-- Stores when the authors of the last messages sent them, so that slow mode counts them from the moment it is on.
local function record_earlier_messages(room, messages, count)
  local times = {}
  for _, message in ipairs(call('LRANGE', messages, -count, -1)) do
    local kind, _, sent_at = struct.unpack(ENTRY, message)
    local fields = 28
    if kind ~= 's' then
      sent_at, _, _, _, fields = struct.unpack(CHANGED, message, 28)
    end
    -- The name and the role come first, so no other line before the author begins with this letter.
    times[string.match(message, '\na([^\n]*)', fields)] = sent_at
  end
  for author, sent_at in pairs(times) do
    call('HSET', room, 't' .. author, sent_at)
  end
end

local room = open_room()
if not room then
  return { 'not_found' }
end
if is_full(room, max_entries) then
  return { 'full' }
end
local about = call('HGET', KEYS[1], 'about')
local owner, secret, listed, capacity, rest = struct.unpack(ABOUT, about)
local code, title, more = string.match(string.sub(about, rest), '^([^\n]*)\n([^\n]*)(.*)$')
-- The settings of a newer version stay as they are, and stand in the entry, too.
title = (new_title == '' and title or string.sub(new_title, 2)) .. more
listed, capacity = tonumber(new_listed) or listed, tonumber(new_capacity) or capacity
local old_seconds = room.slow_mode_seconds
room.slow_mode_seconds = tonumber(new_seconds) or old_seconds
room.locked = tonumber(new_locked) or room.locked

local entry = next_entry(room, 'u', 0, tag)
  .. struct.pack('>I1I4I4I1', listed, capacity, room.slow_mode_seconds, room.locked) .. title .. '\n'
call('RPUSH', KEYS[3], entry)
if room.slow_mode_seconds > old_seconds then
  record_earlier_messages(KEYS[1], KEYS[2], lookback)
end
write_state(room, 'about', struct.pack(ABOUT, owner, secret, listed, capacity) .. code .. '\n' .. title)
call(ANNOUNCE, KEYS[1], entry)
return { 'new', entry }
