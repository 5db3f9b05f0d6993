-- Fewer pages per send: a send writes one message and its user, nothing else. The log has only entries that changed a message;
-- the entry of a send is its message. What a room contains is read from its last message, change and user.

-- `id` is room.key * 2^28 + index. `seq` and `tag` are the number and the tag of the send's entry in the log, `revision` is the
-- number of the entry that changed the message last, and `edits` the number of its edits.
CREATE TABLE message_3 (
    id           INTEGER PRIMARY KEY,
    seq          INTEGER NOT NULL,
    tag          INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    author       TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    text         TEXT,
    client_id    TEXT,
    edited_at    INTEGER,
    deleted_at   INTEGER,
    edits        INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO message_3
SELECT m.room << 28 | m.idx, m.sent, coalesce(log.mark, 0), m.revision, m.created_at, m.author, m.display_name, m.text, m.client_id,
       m.edited_at, m.deleted_at, m.edits
FROM message m LEFT JOIN log ON log.room = m.room AND log.seq = m.sent
ORDER BY m.room, m.idx;

-- `id` is room.key * 2^28 + seq, and `message` the id of the changed message. `sent` is the number of messages sent before the
-- change, and `deleted` the number of messages deleted by it and before it.
CREATE TABLE change (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,
    message INTEGER,
    at      INTEGER NOT NULL,
    tag     INTEGER NOT NULL,
    sent    INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
INSERT INTO change
SELECT room << 28 | seq, kind, room << 28 | idx, at, mark, sent, deleted
FROM (SELECT *, sum(kind = 0) OVER earlier AS sent, sum(kind = 2) OVER earlier AS deleted
      FROM log WINDOW earlier AS (PARTITION BY room ORDER BY seq))
WHERE kind > 0;

DROP TABLE message;
DROP TABLE log;
ALTER TABLE message_3 RENAME TO message;
CREATE UNIQUE INDEX message_once ON message (id >> 28, author, client_id) WHERE client_id IS NOT NULL;

ALTER TABLE room DROP COLUMN seq;
ALTER TABLE room DROP COLUMN mark;
ALTER TABLE room DROP COLUMN messages;
ALTER TABLE room DROP COLUMN chatters;
ALTER TABLE room DROP COLUMN deleted;

-- Whether the user was registered without a message and has not been authenticated since.
ALTER TABLE user ADD COLUMN is_new INTEGER NOT NULL DEFAULT 0;
