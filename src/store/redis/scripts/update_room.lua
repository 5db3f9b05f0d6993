-- Changes settings of a room. KEYS: room, messages, log. ARGV: entry tag, maximum of log entries; title after '=', whether the room is
-- listed (1 or 0), capacity or 0, seconds of slow mode, whether it is locked (1 or 0). An empty argument changes nothing.

local tag, max_entries, new_title, new_listed, new_capacity, new_seconds, new_locked = unpack(ARGV)
local room = open_room()
if not room then
  return { 'not_found' }
end
if is_full(room, max_entries) then
  return { 'full' }
end
local about = call('HGET', KEYS[1], 'about')
local owner, secret, listed, capacity, rest = struct.unpack(ABOUT, about)
local code, title = string.match(string.sub(about, rest), '^([^\n]*)\n(.*)$')
title = new_title == '' and title or string.sub(new_title, 2)
listed, capacity = tonumber(new_listed) or listed, tonumber(new_capacity) or capacity
room.slow_mode_seconds = tonumber(new_seconds) or room.slow_mode_seconds
room.locked = tonumber(new_locked) or room.locked

local entry = next_entry(room, 'u', 0, tag)
  .. struct.pack('>I1I4I4I1', listed, capacity, room.slow_mode_seconds, room.locked) .. title .. '\n'
call('RPUSH', KEYS[3], entry)
write_state(room, 'about', struct.pack(ABOUT, owner, secret, listed, capacity) .. code .. '\n' .. title)
call(ANNOUNCE, KEYS[1], entry)
return { 'new', entry }
