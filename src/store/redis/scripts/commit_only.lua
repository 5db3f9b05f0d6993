-- Commits a message of a user that is authenticated already. KEYS: those of `commit_send`. ARGV: author, send and rest as in
-- `commit_send`; one string with entry tag (8 bytes), maximum of messages, maximum of log entries, reply_to (6 each) and mark
-- (17); name; picture or ''.

local author, send, rest, others, name, avatar = unpack(ARGV)
local tag, max_messages, max_entries, reply_to, mark = struct.unpack('>c8I6I6I6c17', others)
local committed, entry, message =
  commit_send(author, send, rest, tag, max_messages, max_entries, reply_to, mark, name, avatar)
if entry then
  return { committed, entry, message }
end
return { committed, message }
