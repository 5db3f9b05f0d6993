//! Reads pages of a room's history: its messages, its log and its users.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::embedded::rooms::{RoomRow, tag_from_sql};

const MESSAGE_COLUMNS: &str =
    "m.idx, m.revision, m.author, m.display_name, m.text, m.created_at, m.edited_at, m.deleted_at, m.client_id";

/// Reads the messages of `room` with the indexes `range`, in order.
pub(super) fn messages(connection: &Connection, room: &RoomRow, range: Range<u64>) -> rusqlite::Result<Vec<Message>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!(
            "SELECT {MESSAGE_COLUMNS} FROM message m WHERE room = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx"
        ))?
        .query_map(params![room.key, range.start, range.end], |row| message_from_row(row, id, 0))?
        .collect()
}

/// Reads [`MESSAGE_COLUMNS`], which start at column `first`.
fn message_from_row(row: &Row<'_>, room: RoomId, first: usize) -> rusqlite::Result<Message> {
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
                message: message_from_row(row, id, 4)?,
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

/// Reads the users of `room` with the indexes `range`, in the order of their first messages.
pub(super) fn users(connection: &Connection, room: &RoomRow, range: Range<u64>) -> rusqlite::Result<Vec<User>> {
    connection
        .prepare_cached(
            "SELECT user, display_name FROM chatter WHERE room = ?1 AND ordinal >= ?2 AND ordinal < ?3 ORDER BY ordinal",
        )?
        .query_map(params![room.key, range.start, range.end], |row| {
            Ok(User { id: UserId::from_stored(row.get(0)?), display_name: DisplayName::from_stored(row.get(1)?) })
        })?
        .collect()
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
        _ => Err(rusqlite::Error::IntegralValueOutOfRange(2, number)),
    }
}
