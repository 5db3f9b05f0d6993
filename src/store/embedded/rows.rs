//! The written form of rooms, messages, chatters and log entries in the tables, and the statements that read them.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::event::{EntryTag, Event, EventKind, Position, Seq};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::RoomState;

/// A room's row: its key in the other tables, and the rest.
pub(super) struct RoomRow {
    pub(super) key: i64,
    pub(super) state: RoomState,
    /// Messages that are deleted.
    pub(super) deleted: u64,
}

impl RoomRow {
    /// Messages that are not deleted.
    pub(super) const fn live(&self) -> u64 {
        self.state.message_count.saturating_sub(self.deleted)
    }
}

const ROOM: &str = "key, id, code, created_at, expires_at, seq, mark, messages, chatters, deleted";

/// The room, if it is alive at `now`.
pub(super) fn room(connection: &Connection, id: RoomId, now: Timestamp) -> rusqlite::Result<Option<RoomRow>> {
    connection
        .prepare_cached(&format!("SELECT {ROOM} FROM room WHERE id = ?1 AND expires_at > ?2"))?
        .query_row(params![id.as_bytes(), now.as_millis()], |row| room_row(row, now))
        .optional()
}

/// The rooms alive at `now` behind the place `after`, newest first, at most `limit`.
pub(super) fn rooms(
    connection: &Connection,
    after: Option<(Timestamp, RoomId)>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<Vec<RoomState>> {
    // Cursors come from outside, and the tables hold no moment beyond 63 bits.
    let latest = i64::MAX.unsigned_abs();
    let (created_at, id) = after.map_or((latest, [0xff; 16]), |(at, id)| (at.as_millis().min(latest), *id.as_bytes()));
    connection
        .prepare_cached(&format!(
            "SELECT {ROOM} FROM room WHERE (created_at, id) < (?1, ?2) AND expires_at > ?3
             ORDER BY created_at DESC, id DESC LIMIT ?4"
        ))?
        .query_map(params![created_at, id, now.as_millis(), limit], |row| room_row(row, now).map(|room| room.state))?
        .collect()
}

fn room_row(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<RoomRow> {
    let room = Room {
        id: RoomId::from_bytes(row.get(1)?),
        code: RoomCode::from_stored(row.get(2)?),
        created_at: Timestamp::from_millis(row.get(3)?),
        expires_at: Timestamp::from_millis(row.get(4)?),
    };
    let head = Position { seq: Seq(row.get(5)?), tag: tag(row.get(6)?) };
    let state = RoomState { room, now, head, message_count: row.get(7)?, user_count: row.get(8)? };
    Ok(RoomRow { key: row.get(0)?, state, deleted: row.get(9)? })
}

const MESSAGE: &str = "m.idx, m.revision, m.author, m.display_name, m.text, m.created_at, m.edited_at, m.deleted_at,
                       m.client_id";

/// The messages of `room` numbered `range`, in order.
pub(super) fn messages(
    connection: &Connection,
    room: &RoomRow,
    range: std::ops::Range<u64>,
) -> rusqlite::Result<Vec<Message>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!(
            "SELECT {MESSAGE} FROM message m WHERE room = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx"
        ))?
        .query_map(params![room.key, range.start, range.end], |row| message(row, id, 0))?
        .collect()
}

fn message(row: &Row<'_>, room: RoomId, first: usize) -> rusqlite::Result<Message> {
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
pub(super) fn edits(connection: &Connection, room: &RoomRow, index: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT edits FROM message WHERE room = ?1 AND idx = ?2")?
        .query_row(params![room.key, index], |row| row.get(0))
}

/// The chatters of `room` numbered `range`, in order.
pub(super) fn chatters(
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

/// The log entries of `room` from number `from` on, at most `limit`, each with its message as it is now.
pub(super) fn events(connection: &Connection, room: &RoomRow, from: Seq, limit: u32) -> rusqlite::Result<Vec<Event>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!(
            "SELECT l.seq, l.mark, l.kind, l.at, {MESSAGE}
             FROM log l JOIN message m ON m.room = l.room AND m.idx = l.idx
             WHERE l.room = ?1 AND l.seq >= ?2 ORDER BY l.seq LIMIT ?3"
        ))?
        .query_map(params![room.key, from.0, limit], |row| {
            Ok(Event {
                position: Position { seq: Seq(row.get(0)?), tag: tag(row.get(1)?) },
                kind: kind(row.get(2)?)?,
                at: Timestamp::from_millis(row.get(3)?),
                message: message(row, id, 4)?,
            })
        })?
        .collect()
}

/// The mark of the log entry numbered `seq`, if there is one.
pub(super) fn mark(connection: &Connection, room: &RoomRow, seq: Seq) -> rusqlite::Result<Option<EntryTag>> {
    connection
        .prepare_cached("SELECT mark FROM log WHERE room = ?1 AND seq = ?2")?
        .query_row(params![room.key, seq.0], |row| row.get(0).map(tag))
        .optional()
}

/// A mark uses all 64 bits, so its sign is one of them.
pub(super) fn mark_of(tag: EntryTag) -> i64 {
    tag.0.cast_signed()
}

fn tag(mark: i64) -> EntryTag {
    EntryTag(mark.cast_unsigned())
}

pub(super) const fn kind_number(kind: EventKind) -> i64 {
    match kind {
        EventKind::Sent => 0,
        EventKind::Edited => 1,
        EventKind::Deleted => 2,
    }
}

fn kind(number: i64) -> rusqlite::Result<EventKind> {
    match number {
        0 => Ok(EventKind::Sent),
        1 => Ok(EventKind::Edited),
        2 => Ok(EventKind::Deleted),
        _ => Err(rusqlite::Error::FromSqlConversionFailure(2, Type::Integer, format!("no event kind {number}").into())),
    }
}
