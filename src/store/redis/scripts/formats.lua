-- The formats of values. This file begins every script.
--
-- The hash `room` has these fields, with user ids and addresses (keyed hashes of 16 bytes) in their names:
-- `state`, `about`   see STATE and ABOUT
-- `u` id             a user of the room, see MEMBER
-- `n` number         the id of the author with this number, from 0
-- `joined`           how many users have joined without a message
-- `c` id, line break, client message id    the number of the log entry of this send
-- `b` id, `a` address    a ban, see BAN, and the end of the last ban of an address
-- `t` id, `t` line break address    once slow mode was on, the times of the last message, and of the last first one from there
-- The log begins with an entry for the empty room, so an entry's index is its number. A room without messages has no list of
-- them.
--
-- On the channel with the name of the hash, each event is published as its log entry, a change of reactions with the message
-- behind it, and any other change of a message as the message, which begins with its entry.
-- Announcements that are not in the log begin with a capital letter: T typing, P presence, R reactions pending, E ended.
--
-- Servers of different versions share these values, so newer versions only add (see docs/decisions/0011-data-of-newer-versions.md).
-- Other versions pass over what they do not know, and keep it when they rewrite a value. What may be added:
-- kinds of log entries, small letters. The first 27 bytes of every entry, announced or in the log, are an ENTRY. No message
--   follows an entry of an unknown kind. A message whose last change is of an unknown kind is read like any other.
-- announcements, capital letters.
-- fields of messages, letters, before `k`. A field with a capital letter holds content, which goes with the text when a message
--   is deleted. Any other field stays.
-- fields of the hash `room` whose names begin with other letters, and other keys of a room or a user.
-- bytes behind EXTRAS in the state, and then always with EXTRAS before them.
-- lines at the end of these: ABOUT, MEMBER, BAN, payloads of entries, announcements, records of presence. Those behind ABOUT are
--   settings, and each version copies them to the entry of a change of settings.
-- roles, letters. Other versions take them for members, and keep them.
-- What is a number, or of fixed length, stays so.

local call = redis.call

-- expires_at, created_at, the last log number, messages, log entries that are reserved (for the deletion of each message that
-- is not deleted, and for each marked message), authors, the tag of the last entry.
local STATE = '>I6I6I6I6I6I6c8'
-- The same without the tag.
local NUMBERS = '>I6I6I6I6I6I6'
-- Follows in the state of a room that has any of it, from byte 45 on: how often reactions have changed, log entries about
-- reactions with those that are reserved, whether the room is locked (1 or 0), seconds of slow mode, bans with those that have
-- ended.
local EXTRAS = '>I6I6I1I4I4'
-- The hash of the owner token, the secret, whether the room is listed (1 or 0), capacity or 0. Then come code, line break,
-- title.
local ABOUT = '>c32c16I1I4'
-- The part of it that never changes, besides the code.
local OWNER_LENGTH = 48
-- A log entry: a small letter for the kind, log number, time, index of the message or 0, tag. Entries of kinds without a
-- message have a payload: see `codec.rs`.
local ENTRY = '>c1I6I6I6c8'
-- The kinds of entries about a message: sent, edited, deleted, reactions changed.
local MESSAGE_KINDS = 'sedr'
-- A message begins with the entry of its last change other than of reactions. If that is not the send, these numbers follow:
-- created_at, edited_at or 0, deleted_at or 0, edits. Then come fields and text.
local CHANGED = '>I6I6I6I4'
-- Role, address, number. Then come name, line break, picture or ''. The role is m (member), o (owner), or, for users without a
-- message, whose number is 0, M or O.
local MEMBER = '>c1c16I6'
-- The log number of its entry, its time, its end or 0, the address or 0. Then comes the reason or ''.
local BAN = '>I6I6I6c16'
-- Lines of a MEMBER: name and picture, and what a newer version has added.
local PROFILE = '^[^\n]*\n[^\n]*'
local PROFILE_AND_MORE = '^([^\n]*\n[^\n]*)(.*)$'
-- A field of a message that holds content of a newer version.
local CONTENT_FIELD = '\n[A-Z][^\n]*'
-- Stands for an unknown address.
local NO_ADDRESS = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'

