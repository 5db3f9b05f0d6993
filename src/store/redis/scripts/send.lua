-- Authenticates a user and commits the user's message, on a single Redis. `authenticate` and `commit` are prepended as functions.
-- KEYS: those of the room, events, user.
-- ARGV: those of `authenticate`, and then entry tag, user id, client message id or '', maximum of messages, the parts of the record
-- before and after the user's name, text, maximum of log entries.

local user = KEYS[8]
local check, id, client_message_id, messages, before, after, text, entries = unpack(ARGV, 6)

local admitted = authenticate({ user }, ARGV)
local outcome, name, sealed = unpack(admitted)
if not name then
  return admitted
end
local author = before .. cjson.encode(name)
local committed = commit(KEYS,
  { 'sent', check, id, client_message_id, messages, author .. '}', author .. after, text, entries })
local event = committed[2]
if not event then
  if outcome == 'created' then
    redis.call('DEL', user)
  end
  return committed
end
return { outcome, name, sealed or '', committed[1], event }
