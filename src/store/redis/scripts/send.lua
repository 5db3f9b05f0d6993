-- Admits a user and commits the message that it sends, where one Redis has both: what `admit` and `commit` do, which stand
-- before this as functions. KEYS: of the room, events, user.
-- ARGV: what `admit` takes, and then check, user id, the name of this send or '', messages, what stands before and behind the
-- user's name in the record, text, log entries the room takes.

local user = KEYS[8]
local check, id, send_name, messages, before, behind, text, entries = unpack(ARGV, 6)

local admitted = admit({ user }, ARGV)
local outcome, name, sealed = unpack(admitted)
if not name then
  return admitted
end
local named = before .. cjson.encode(name)
local committed = commit(KEYS, { 'sent', check, id, send_name, messages, named .. '}', named .. behind, text, entries })
local event = committed[2]
if not event then
  if outcome == 'created' then
    redis.call('DEL', user)
  end
  return committed
end
return { outcome, name, sealed or '', committed[1], event }
