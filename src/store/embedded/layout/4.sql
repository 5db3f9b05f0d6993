-- Owners, settings, bans, slow mode, reactions and replies. A room that uses none of these has no row in the new tables.

-- Nobody has received the owner token of an older room. `reaction_changes` is RoomState::reaction_changes, and `reaction_entries`
-- the number of log entries about reactions.
ALTER TABLE room ADD COLUMN owner_token BLOB NOT NULL DEFAULT x'';
ALTER TABLE room ADD COLUMN secret BLOB NOT NULL DEFAULT x'';
UPDATE room SET owner_token = randomblob(32), secret = randomblob(16);
ALTER TABLE room ADD COLUMN title TEXT;
ALTER TABLE room ADD COLUMN listed INTEGER NOT NULL DEFAULT 1;
ALTER TABLE room ADD COLUMN capacity INTEGER;
ALTER TABLE room ADD COLUMN slow_mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN locked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN reaction_changes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN reaction_entries INTEGER NOT NULL DEFAULT 0;
DROP INDEX room_by_end;
CREATE INDEX room_by_end ON room (expires_at, listed);

-- `roles` is the sum of 1 if an owner sent the message and 2 if an owner deleted it. `reply_to` is an index. `reactions` has the
-- number of changes in its first line, and then a line with a count and an emoji for each kind.
ALTER TABLE message ADD COLUMN roles INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN reply_to INTEGER;
ALTER TABLE message ADD COLUMN avatar_url TEXT;
ALTER TABLE message ADD COLUMN reactions TEXT;

-- What an entry is about, in JSON, if it is not about a message.
ALTER TABLE change ADD COLUMN payload TEXT;

-- A user that has joined without a message has a negative ordinal. `role` is 1 for an owner. `address` is a keyed hash.
ALTER TABLE chatter ADD COLUMN avatar_url TEXT;
ALTER TABLE chatter ADD COLUMN role INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chatter ADD COLUMN address BLOB;

-- `seq` is the number of the ban's entry in the log.
CREATE TABLE ban (
    room    INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    user    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER,
    reason  TEXT,
    address BLOB,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ban_by_user ON ban (room, user);
CREATE INDEX ban_by_address ON ban (room, address) WHERE address IS NOT NULL;

-- When a user (text) or an address (blob) sent its last message that slow mode counted.
CREATE TABLE last_sent (
    room    INTEGER NOT NULL,
    subject ANY     NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (room, subject)
) STRICT, WITHOUT ROWID;

-- `message` is message.id. A removed reaction stays, with how often it was added and removed.
CREATE TABLE reaction (
    message INTEGER NOT NULL,
    user    TEXT    NOT NULL,
    emoji   TEXT    NOT NULL,
    is_on   INTEGER NOT NULL,
    toggles INTEGER NOT NULL,
    PRIMARY KEY (message, user, emoji)
) STRICT, WITHOUT ROWID;

-- When a message had its last log entry about reactions, and when the next one is due, if its reactions have changed since.
CREATE TABLE reaction_entry (
    message   INTEGER PRIMARY KEY,
    logged_at INTEGER NOT NULL,
    due       INTEGER
) STRICT;
CREATE INDEX reaction_entry_due ON reaction_entry (message) WHERE due IS NOT NULL;

-- Only ids of signed identities begin with `@`. A user that chose such an id before gets another one, which nobody else has. Its row
-- in `user` stays, so that nobody can register the new id.
CREATE TEMP TABLE renamed AS
SELECT id AS old, 'formerly-@-' || lower(hex(randomblob(16))) AS new
FROM (SELECT id FROM user UNION SELECT user FROM chatter UNION SELECT author FROM message)
WHERE id LIKE '@%';
UPDATE user SET id = (SELECT new FROM renamed WHERE old = id) WHERE id LIKE '@%';
UPDATE chatter SET user = (SELECT new FROM renamed WHERE old = user) WHERE user LIKE '@%';
UPDATE message SET author = (SELECT new FROM renamed WHERE old = author) WHERE author LIKE '@%';
DROP TABLE renamed;
