-- Authenticates a user and commits the user's message, on a single Redis. KEYS: those of `commit_send`, and the user.
-- ARGV: author, send and rest as in `commit_send`, and one string in place of eight arguments, because that is faster: the
-- tokens of `authenticate` (81 bytes), keep_until (6), entry tag (8), maximum of messages, maximum of log entries, reply_to
-- (6 each), mark (17), and the name to register or ''.

local author, send, rest, others = unpack(ARGV)
local keep_until, tag, max_messages, max_entries, reply_to, mark = struct.unpack('>I6c8I6I6I6c17', others, 82)
local outcome, name, sealed = authenticate(KEYS[4], string.sub(others, 1, 81), keep_until, others, 131)
if not name then
  return { outcome }
end
local committed, entry, message =
  commit_send(author, send, rest, tag, max_messages, max_entries, reply_to, mark, name)
if outcome == 'rotated' and committed == 'new' then
  -- The usual outcome. One string is faster than four.
  return entry .. name
end
if not entry then
  if outcome == 'created' then
    call('DEL', KEYS[4])
  end
  return { committed, message }
end
if sealed then
  return { outcome, name, sealed, committed, entry, message }
end
return { outcome, name, committed, entry, message }
