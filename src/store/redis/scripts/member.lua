-- Returns a user of a room: the end of the log, and, if there is the user, role, name and picture, and the end of its ban, 0
-- for the room's life, or ''. KEYS: room, messages, log. ARGV: user id, mark with the address that it acts from.

local at, _, _, seq, _, _, _, tag, extras = read_room(KEYS[1], KEYS[2], KEYS[3])
if not at then
  return { 'not_found' }
end
local record = call('HGET', KEYS[1], 'u' .. ARGV[1])
if not record then
  return { 'ok', tostring(seq), tag }
end
local role = string.sub(record, 1, 1)
local is_owner = role == 'o' or role == 'O'
local banned_until = extras ~= '' and not is_owner and find_ban(KEYS[1], ARGV[1], string.sub(ARGV[2], 2), at)
return { 'ok', tostring(seq), tag, role, string.sub(record, 24), banned_until and tostring(banned_until) or '' }
