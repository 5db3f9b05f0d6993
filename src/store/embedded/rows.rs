//! The queries, and the SQL form of rooms, messages, users and log entries.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::event::{EntryTag, Event, EventKind, Position, Seq};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::RoomState;

/// A row of the `room` table.
pub(super) struct RoomRow {
    /// Identifies the room in the other tables.
    pub(super) key: i64,
    pub(super) state: RoomState,
    /// Number of deleted messages.
    pub(super) deleted: u64,
}

impl RoomRow {
    /// Number of messages that are not deleted.
    pub(super) const fn live(&self) -> u64 {
        self.state.message_count.saturating_sub(self.deleted)
    }
}

const ROOM_COLUMNS: &str = "key, id, code, created_at, expires_at, seq, mark, messages, chatters, deleted";

/// Reads the room if it is alive at `now`.
pub(super) fn room(connection: &Connection, id: RoomId, now: Timestamp) -> rusqlite::Result<Option<RoomRow>> {
    connection
        .prepare_cached(&format!("SELECT {ROOM_COLUMNS} FROM room WHERE id = ?1 AND expires_at > ?2"))?
        .query_row(params![id.as_bytes(), now.as_millis()], |row| read_room(row, now))
        .optional()
}

/// Reads up to `limit` rooms that are alive at `now`, newest first, starting after `after`.
pub(super) fn rooms(
    connection: &Connection,
    after: Option<(Timestamp, RoomId)>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<Vec<RoomState>> {
    // The time comes from a client's cursor, and SQLite integers have 63 bits.
    let latest = i64::MAX.unsigned_abs();
    let (created_at, id) = after.map_or((latest, [0xff; 16]), |(at, id)| (at.as_millis().min(latest), *id.as_bytes()));
    connection
        .prepare_cached(&format!(
            "SELECT {ROOM_COLUMNS} FROM room WHERE (created_at, id) < (?1, ?2) AND expires_at > ?3
             ORDER BY created_at DESC, id DESC LIMIT ?4"
        ))?
        .query_map(params![created_at, id, now.as_millis(), limit], |row| read_room(row, now).map(|room| room.state))?
        .collect()
}

fn read_room(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<RoomRow> {
    let room = Room {
        id: RoomId::from_bytes(row.get(1)?),
        code: RoomCode::from_stored(row.get(2)?),
        created_at: Timestamp::from_millis(row.get(3)?),
        expires_at: Timestamp::from_millis(row.get(4)?),
    };
    let head = Position { seq: Seq(row.get(5)?), tag: tag_from_sql(row.get(6)?) };
    let state = RoomState { room, now, head, message_count: row.get(7)?, user_count: row.get(8)? };
    Ok(RoomRow { key: row.get(0)?, state, deleted: row.get(9)? })
}

const MESSAGE_COLUMNS: &str =
    "m.idx, m.revision, m.author, m.display_name, m.text, m.created_at, m.edited_at, m.deleted_at,
                       m.client_id";

/// Reads the messages of `room` with the indexes `range`, in order.
pub(super) fn messages(
    connection: &Connection,
    room: &RoomRow,
    range: std::ops::Range<u64>,
) -> rusqlite::Result<Vec<Message>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!(
            "SELECT {MESSAGE_COLUMNS} FROM message m WHERE room = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx"
        ))?
        .query_map(params![room.key, range.start, range.end], |row| read_message(row, id, 0))?
        .collect()
}

/// Reads [`MESSAGE_COLUMNS`], which start at column `first`.
fn read_message(row: &Row<'_>, room: RoomId, first: usize) -> rusqlite::Result<Message> {
    Ok(Message {
        id: MessageId { room, index: row.get(first)? },
        revision: Seq(row.get(first + 1)?),
        author: User {
            id: UserId::from_stored(row.get(first + 2)?),
            display_name: DisplayName::from_stored(row.get(first + 3)?),
        },
        text: row.get::<_, Option<String>>(first + 4)?.map(MessageText::from_stored),
        created_at: Timestamp::from_millis(row.get(first + 5)?),
        edited_at: row.get::<_, Option<u64>>(first + 6)?.map(Timestamp::from_millis),
        deleted_at: row.get::<_, Option<u64>>(first + 7)?.map(Timestamp::from_millis),
        client_message_id: row.get::<_, Option<String>>(first + 8)?.map(ClientMessageId::from_stored),
    })
}

/// How often the message at `index` was edited.
pub(super) fn edit_count(connection: &Connection, room: &RoomRow, index: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT edits FROM message WHERE room = ?1 AND idx = ?2")?
        .query_row(params![room.key, index], |row| row.get(0))
}

/// Reads the users of `room` with the indexes `range`, in the order of their first messages.
pub(super) fn users(
    connection: &Connection,
    room: &RoomRow,
    range: std::ops::Range<u64>,
) -> rusqlite::Result<Vec<User>> {
    connection
        .prepare_cached(
            "SELECT user, display_name FROM chatter WHERE room = ?1 AND ordinal >= ?2 AND ordinal < ?3 ORDER BY ordinal",
        )?
        .query_map(params![room.key, range.start, range.end], |row| {
            Ok(User {
                id: UserId::from_stored(row.get(0)?),
                display_name: DisplayName::from_stored(row.get(1)?),
            })
        })?
        .collect()
}

/// Reads up to `limit` log entries of `room` from number `from` on, each with its message in its current state.
pub(super) fn events(connection: &Connection, room: &RoomRow, from: Seq, limit: u32) -> rusqlite::Result<Vec<Event>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!(
            "SELECT l.seq, l.mark, l.kind, l.at, {MESSAGE_COLUMNS}
             FROM log l JOIN message m ON m.room = l.room AND m.idx = l.idx
             WHERE l.room = ?1 AND l.seq >= ?2 ORDER BY l.seq LIMIT ?3"
        ))?
        .query_map(params![room.key, from.0, limit], |row| {
            Ok(Event {
                position: Position { seq: Seq(row.get(0)?), tag: tag_from_sql(row.get(1)?) },
                kind: kind_from_sql(row.get(2)?)?,
                at: Timestamp::from_millis(row.get(3)?),
                message: read_message(row, id, 4)?,
            })
        })?
        .collect()
}

/// Reads the tag of the log entry `seq`, if there is one.
pub(super) fn entry_tag(connection: &Connection, room: &RoomRow, seq: Seq) -> rusqlite::Result<Option<EntryTag>> {
    connection
        .prepare_cached("SELECT mark FROM log WHERE room = ?1 AND seq = ?2")?
        .query_row(params![room.key, seq.0], |row| row.get(0).map(tag_from_sql))
        .optional()
}

/// A tag uses all 64 bits, so the stored integer may be negative.
pub(super) fn tag_to_sql(tag: EntryTag) -> i64 {
    tag.0.cast_signed()
}

fn tag_from_sql(number: i64) -> EntryTag {
    EntryTag(number.cast_unsigned())
}

pub(super) const fn kind_to_sql(kind: EventKind) -> i64 {
    match kind {
        EventKind::Sent => 0,
        EventKind::Edited => 1,
        EventKind::Deleted => 2,
    }
}

fn kind_from_sql(number: i64) -> rusqlite::Result<EventKind> {
    match number {
        0 => Ok(EventKind::Sent),
        1 => Ok(EventKind::Edited),
        2 => Ok(EventKind::Deleted),
        _ => Err(rusqlite::Error::FromSqlConversionFailure(
            2,
            Type::Integer,
            format!("unknown event kind {number}").into(),
        )),
    }
}
