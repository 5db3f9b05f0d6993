//! Reads pages of a room's history: its messages, its log and its users.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
use crate::store::embedded::event_kinds;
use crate::store::embedded::members;
use crate::store::embedded::reaction_rows;
use crate::store::embedded::rooms::{self, RoomRow, number_of, tag_from_sql};

const MESSAGE_COLUMNS: &str = "m.id, m.revision, m.created_at, m.author, m.display_name, m.text, m.client_id, m.edited_at, \
     m.deleted_at, m.roles, m.reply_to, m.avatar_url, m.reactions";

/// The bits of the column `roles`.
const SENT_BY_OWNER: i64 = 1;
const DELETED_BY_OWNER: i64 = 2;

/// Reads the messages of `room` with the indexes `range`, in order.
pub(super) fn messages(connection: &Connection, room: &RoomRow, range: Range<u64>) -> rusqlite::Result<Vec<Message>> {
    let id = room.state.room.id;
    connection
        .prepare_cached(&format!("SELECT {MESSAGE_COLUMNS} FROM message m WHERE id >= ?1 AND id < ?2 ORDER BY id"))?
        .query_map([room.id_of(range.start), room.id_of(range.end)], |row| message_from_row(row, id, 0))?
        .collect()
}

/// Reads [`MESSAGE_COLUMNS`], which start at column `first`.
fn message_from_row(row: &Row<'_>, room: RoomId, first: usize) -> rusqlite::Result<Message> {
    let deleted_at = row.get::<_, Option<u64>>(first + 8)?.map(Timestamp::from_millis);
    let roles: i64 = row.get(first + 9)?;
    let role = |bit| if roles & bit != 0 { Role::Owner } else { Role::Member };
    let (reaction_changes, reactions) = reaction_rows::from_sql(row.get_ref(first + 12)?.as_str_or_null()?);
    Ok(Message {
        id: MessageId { room, index: number_of(row.get(first)?) },
        revision: Seq(row.get(first + 1)?),
        created_at: Timestamp::from_millis(row.get(first + 2)?),
        author: User {
            id: UserId::from_stored(row.get(first + 3)?),
            display_name: DisplayName::from_stored(row.get(first + 4)?),
            avatar_url: row.get::<_, Option<String>>(first + 11)?.map(AvatarUrl::from_stored),
        },
        author_role: role(SENT_BY_OWNER),
        text: row.get::<_, Option<String>>(first + 5)?.map(MessageText::from_stored),
        client_message_id: row.get::<_, Option<String>>(first + 6)?.map(ClientMessageId::from_stored),
        edited_at: row.get::<_, Option<u64>>(first + 7)?.map(Timestamp::from_millis),
        deleted_by: deleted_at.map(|_| role(DELETED_BY_OWNER)),
        deleted_at,
        reply_to: row.get(first + 10)?,
        reactions,
        reaction_changes,
    })
}

/// The column `roles` of a message.
pub(super) fn roles_to_sql(message: &Message) -> i64 {
    let bit = |role, bit| if role == Role::Owner { bit } else { 0 };
    bit(message.author_role, SENT_BY_OWNER) + bit(message.deleted_by.unwrap_or_default(), DELETED_BY_OWNER)
}

/// Reads up to `limit` log entries of `room` from number `from` on, each with its message in its current state.
pub(super) fn events(connection: &Connection, room: &RoomRow, from: Seq, limit: u32) -> rusqlite::Result<Vec<Event>> {
    let id = room.state.room.id;
    let first_sent = room.id_of(messages_before(connection, room, from)?);
    let mut events: Vec<_> = connection
        .prepare_cached(&format!(
            "SELECT seq, tag, {MESSAGE_COLUMNS} FROM message m WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3"
        ))?
        .query_map(params![first_sent, rooms::ids(room.key).end, limit], |row| {
            let message = message_from_row(row, id, 2)?;
            let position = Position { seq: Seq(row.get(0)?), tag: tag_from_sql(row.get(1)?) };
            Ok(Event { room: id, position, at: message.created_at, kind: EventKind::Sent(message) })
        })?
        .collect::<Result<_, _>>()?;
    // Later changes do not belong to this page if the sends alone fill it.
    let last = match events.last() {
        Some(last) if events.len() >= limit as usize => last.position.seq,
        _ => room.state.head.seq,
    };
    let mut changes = connection.prepare_cached(&format!(
        "SELECT c.id, c.tag, c.kind, c.at, c.payload, {MESSAGE_COLUMNS} FROM change c LEFT JOIN message m ON m.id = c.message
         WHERE c.id >= ?1 AND c.id <= ?2 ORDER BY c.id LIMIT ?3"
    ))?;
    let changes = changes.query_map(params![room.id_of(from.0), room.id_of(last.0), limit], |row| {
        Ok(Event {
            room: id,
            position: Position { seq: Seq(number_of(row.get(0)?)), tag: tag_from_sql(row.get(1)?) },
            at: Timestamp::from_millis(row.get(3)?),
            kind: event_kinds::from_sql(row, 2, 4, || message_from_row(row, id, 5))?,
        })
    })?;
    let sends = events.len();
    for change in changes {
        events.push(change?);
    }
    if events.len() > sends {
        events.sort_by_key(|event| event.position.seq);
        events.truncate(limit as usize);
    }
    Ok(events)
}

/// Counts the messages of `room` that were sent before the log entry `seq`.
fn messages_before(connection: &Connection, room: &RoomRow, seq: Seq) -> rusqlite::Result<u64> {
    let entries = seq.0.saturating_sub(1);
    let last_change = connection
        .prepare_cached("SELECT id, sent FROM change WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([rooms::ids(room.key).start, room.id_of(seq.0)], |row| Ok((number_of(row.get(0)?), row.get(1)?)))
        .optional()?;
    // Up to the last change, every entry that is not a send is a change.
    let changes = last_change.map_or(0, |(number, sent): (u64, u64)| number.saturating_sub(sent));
    Ok(entries.saturating_sub(changes))
}

/// Reads the tag of the log entry `seq`, if there is one.
pub(super) fn entry_tag(connection: &Connection, room: &RoomRow, seq: Seq) -> rusqlite::Result<Option<EntryTag>> {
    let index = messages_before(connection, room, seq)?;
    connection
        .prepare_cached(
            "SELECT tag FROM message WHERE id = ?1 AND seq = ?2 UNION ALL SELECT tag FROM change WHERE id = ?3",
        )?
        .query_row(params![room.id_of(index), seq.0, room.id_of(seq.0)], |row| row.get(0).map(tag_from_sql))
        .optional()
}

/// Reads the users of `room` with the indexes `range`, in the order of their first messages.
pub(super) fn users(connection: &Connection, room: &RoomRow, range: Range<u64>) -> rusqlite::Result<Vec<User>> {
    let ordinals = range.start.cast_signed()..range.end.cast_signed();
    let members = members::page(connection, room.key, ordinals)?;
    Ok(members.into_iter().map(|(id, member)| member.user(id)).collect())
}
