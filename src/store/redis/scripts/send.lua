-- Authenticates a user and commits the user's message, on a single Redis. KEYS: those of `commit_send`, and the user.
-- ARGV: author, send and rest as in `commit_send`, and one string in place of six arguments, because that is faster: the tokens of
-- `authenticate` (81 bytes), the entry tag (8), keep_until, maximum of messages, maximum of log entries (6 each), and the name to
-- register or ''.

local author, send, rest, others = unpack(ARGV)
local keep_until, max_messages, max_entries = struct.unpack('>I6I6I6', others, 90)
local outcome, name, sealed = authenticate(KEYS[4], string.sub(others, 1, 81), keep_until, others, 108)
if not name then
  return { outcome }
end
local committed, entry, message =
  commit_send(author, send, rest, string.sub(others, 82, 89), max_messages, max_entries, name)
if outcome == 'rotated' and committed == 'new' then
  -- The usual outcome. One string is faster than four.
  return entry .. name
end
if not entry then
  if outcome == 'created' then
    call('DEL', KEYS[4])
  end
  return { committed }
end
if sealed then
  return { outcome, name, sealed, committed, entry, message }
end
return { outcome, name, committed, entry, message }
