-- The formats of values. This file begins every script.
--
-- The hash `room` has the fields `state` (see below) and `code`. For each author, the field `u` with the user id holds the author's
-- number, and the field `n` with that number holds id and name. For each send with a client message id, the field `c` with both ids
-- holds the number of the log entry. The log begins with an entry for the empty room, so an entry's index is its number. A room
-- without messages has no list of them. Events are published on the channel with the name of the hash.

local call = redis.call

-- expires_at, created_at, the last log number, messages, messages that are not deleted, authors, the tag of the last entry.
local STATE = '>I6I6I6I6I6I6c8'
-- The same without the tag.
local NUMBERS = '>I6I6I6I6I6I6'
-- A log entry: a letter for the kind, log number, time, index of the message, tag.
local ENTRY = '>c1I6I6I6c8'
-- A message begins with the entry of its last change, so it is also the event of that change. If that is not the send, these
-- numbers follow: created_at, edited_at or 0, deleted_at or 0, edits. Then come fields and text.
local CHANGED = '>I6I6I6I4'

