-- The tables of the embedded store. Moments are milliseconds since the Unix epoch, UTC. `mark` is the check of a log
-- entry, 64 bits read as a signed number. `room` in the other tables is room.key, which is never used again.

CREATE TABLE room (
    key        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL UNIQUE,
    code       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    mark       INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    chatters   INTEGER NOT NULL
) STRICT;
CREATE INDEX room_by_age ON room (created_at, id);
CREATE INDEX room_by_end ON room (expires_at);

-- `revision` is the number of the log entry that changed the message last, `sent` of the one that made it.
CREATE TABLE message (
    room         INTEGER NOT NULL,
    idx          INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    sent         INTEGER NOT NULL,
    author       TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    text         TEXT,
    created_at   INTEGER NOT NULL,
    edited_at    INTEGER,
    deleted_at   INTEGER,
    client_id    TEXT,
    PRIMARY KEY (room, idx)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_once ON message (room, author, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE log (
    room INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    idx  INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE chatter (
    room         INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    user         TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    PRIMARY KEY (room, ordinal)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chatter_by_user ON chatter (room, user);

-- `current` and `previous` are hashes of tokens; `sealed` is the current token under the seal of the previous one.
CREATE TABLE user (
    id           TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    current      BLOB    NOT NULL,
    previous     BLOB,
    sealed       BLOB,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_by_end ON user (expires_at);
