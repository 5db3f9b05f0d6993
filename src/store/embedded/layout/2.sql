-- Counts that limits need. The log has always had what they count.
-- `deleted` is the number of deleted messages of a room, `edits` the number of edits of a message.

ALTER TABLE room ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
UPDATE room SET deleted = (SELECT count(*) FROM log WHERE log.room = room.key AND log.kind = 2);

ALTER TABLE message ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;
UPDATE message SET edits = counted.edits
FROM (SELECT room, idx, count(*) AS edits FROM log WHERE kind = 1 GROUP BY room, idx) AS counted
WHERE message.room = counted.room AND message.idx = counted.idx;
