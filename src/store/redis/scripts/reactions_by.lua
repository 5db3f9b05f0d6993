-- Returns the emoji with which a user has reacted to messages. KEYS: room, messages, log, reactions.
-- ARGV: user id, indexes of the messages. Returns for each message the number of emoji, and these.

if not read_room(KEYS[1], KEYS[2], KEYS[3]) then
  return { 'not_found' }
end
local reply = { 'ok' }
for i = 2, #ARGV do
  local prefix = struct.pack('>I6', ARGV[i]) .. ARGV[1] .. '\n'
  local emoji = {}
  for _, member in ipairs(call('ZRANGEBYLEX', KEYS[4], lex_range(prefix))) do
    local name, times = string.match(string.sub(member, #prefix + 1), '^(.*)\n(%d+)$')
    if times and times % 2 == 1 then
      emoji[#emoji + 1] = name
    end
  end
  reply[#reply + 1] = tostring(#emoji)
  for _, name in ipairs(emoji) do
    reply[#reply + 1] = name
  end
end
return reply
