//! The changes: each runs inside the writer's transaction, decides first and writes afterwards.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::chatter::{Chatter, DisplayName, SealedToken, TokenHash, UserId};
use crate::domain::event::{Event, EventKind, Position, Seq};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::room::Room;
use crate::domain::timestamp::Timestamp;
use crate::store::embedded::rows::{self, RoomRow, kind_number, mark_of};
use crate::store::embedded::writer::{Outcome, Written};
use crate::store::{Admission, Admitted, Change, Commit, Committed, RoomState, StoreError};

pub(super) fn create_room(connection: &Connection, room: Room, now: Timestamp) -> Outcome<Written<RoomState>> {
    // A room that has ended lets go of its id at once; the sweeper finds the rest of it by its key.
    connection
        .prepare_cached("UPDATE room SET id = randomblob(16) WHERE id = ?1 AND expires_at <= ?2")?
        .execute(params![room.id.as_bytes(), now.as_millis()])?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO room (id, code, created_at, expires_at, seq, mark, messages, chatters)
             VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            room.id.as_bytes(),
            room.code.reveal(),
            room.created_at.as_millis(),
            room.expires_at.as_millis()
        ])?;
    if inserted == 0 {
        return Ok(Err(StoreError::Conflict));
    }
    let state = RoomState { room, now, head: Position::START, message_count: 0, chatter_count: 0 };
    Ok(Ok(Written::quietly(state)))
}

pub(super) fn commit(connection: &Connection, commit: Commit, now: Timestamp) -> Outcome<Written<Committed>> {
    let Some(room) = rows::room(connection, commit.room, now)? else {
        return Ok(Err(StoreError::NotFound));
    };
    let position = Position { seq: room.state.head.seq.next(), check: commit.check };
    let decided = match commit.change {
        Change::Send { author, text, client_message_id, capacity } => {
            if let Some(id) = &client_message_id
                && let Some(first) = sent_before(connection, &room, &author.id, id)?
            {
                return Ok(Ok(Written::quietly(Committed::Repeated(first))));
            }
            if room.state.message_count >= capacity {
                return Ok(Err(StoreError::Full));
            }
            (EventKind::Sent, send(connection, &room, author, text, client_message_id, position.seq, now)?)
        }
        Change::Edit { index, revision, text } => match changeable(connection, &room, index, revision)? {
            Err(refused) => return Ok(Err(refused)),
            Ok(message) => {
                let edited = Message { text: Some(text), edited_at: Some(now), revision: position.seq, ..message };
                (EventKind::Edited, update(connection, &room, edited)?)
            }
        },
        Change::Delete { index, revision } => match changeable(connection, &room, index, revision)? {
            Err(refused) => return Ok(Err(refused)),
            Ok(message) => {
                let deleted = Message { text: None, deleted_at: Some(now), revision: position.seq, ..message };
                (EventKind::Deleted, update(connection, &room, deleted)?)
            }
        },
    };
    let (kind, message) = decided;
    let event = Event { kind, position, at: now, message };
    log(connection, &room, &event)?;
    Ok(Ok(Written { answer: Committed::New(event.clone()), announce: Some(event) }))
}

/// The event of an earlier send with the same client's id.
fn sent_before(
    connection: &Connection,
    room: &RoomRow,
    author: &UserId,
    id: &ClientMessageId,
) -> rusqlite::Result<Option<Event>> {
    let sent = connection
        .prepare_cached("SELECT sent FROM message WHERE room = ?1 AND author = ?2 AND client_id = ?3")?
        .query_row(params![room.key, author.as_str(), id.as_str()], |row| row.get(0).map(Seq))
        .optional()?;
    let Some(sent) = sent else { return Ok(None) };
    Ok(rows::events(connection, room, sent, 1)?.pop())
}

fn send(
    connection: &Connection,
    room: &RoomRow,
    author: Chatter,
    text: MessageText,
    client_message_id: Option<ClientMessageId>,
    seq: Seq,
    now: Timestamp,
) -> rusqlite::Result<Message> {
    let index = room.state.message_count;
    connection
        .prepare_cached(
            "INSERT INTO message (room, idx, revision, sent, author, display_name, text, created_at, client_id)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            room.key,
            index,
            seq.0,
            author.id.as_str(),
            author.display_name.as_str(),
            text.as_str(),
            now.as_millis(),
            client_message_id.as_ref().map(ClientMessageId::as_str),
        ])?;
    let newcomers = connection
        .prepare_cached(
            "INSERT INTO chatter (room, ordinal, user, display_name) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (room, user) DO NOTHING",
        )?
        .execute(params![room.key, room.state.chatter_count, author.id.as_str(), author.display_name.as_str()])?;
    connection
        .prepare_cached("UPDATE room SET messages = messages + 1, chatters = chatters + ?2 WHERE key = ?1")?
        .execute(params![room.key, newcomers])?;
    Ok(Message {
        id: MessageId { room: room.state.room.id, index },
        author,
        text: Some(text),
        created_at: now,
        edited_at: None,
        deleted_at: None,
        client_message_id,
        revision: seq,
    })
}

/// The message at `index`, if it still is as it was when the change was decided.
fn changeable(
    connection: &Connection,
    room: &RoomRow,
    index: u64,
    revision: Seq,
) -> rusqlite::Result<Result<Message, StoreError>> {
    // An index beyond what the tables can hold would undo the whole transaction, and other senders' changes with it.
    if index >= room.state.message_count {
        return Ok(Err(StoreError::NotFound));
    }
    let found = rows::messages(connection, room, index..index + 1)?.pop();
    Ok(match found {
        None => Err(StoreError::NotFound),
        Some(message) if message.revision != revision => Err(StoreError::Conflict),
        Some(message) if message.deleted_at.is_some() => Err(StoreError::NotFound),
        Some(message) => Ok(message),
    })
}

fn update(connection: &Connection, room: &RoomRow, message: Message) -> rusqlite::Result<Message> {
    connection
        .prepare_cached(
            "UPDATE message SET text = ?3, edited_at = ?4, deleted_at = ?5, revision = ?6 WHERE room = ?1 AND idx = ?2",
        )?
        .execute(params![
            room.key,
            message.id.index,
            message.text.as_ref().map(MessageText::as_str),
            message.edited_at.map(Timestamp::as_millis),
            message.deleted_at.map(Timestamp::as_millis),
            message.revision.0,
        ])?;
    Ok(message)
}

fn log(connection: &Connection, room: &RoomRow, event: &Event) -> rusqlite::Result<()> {
    let (seq, mark) = (event.position.seq.0, mark_of(event.position.check));
    connection
        .prepare_cached("INSERT INTO log (room, seq, kind, idx, at, mark) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![room.key, seq, kind_number(event.kind), event.message.id.index, event.at.as_millis(), mark])?;
    connection
        .prepare_cached("UPDATE room SET seq = ?2, mark = ?3 WHERE key = ?1")?
        .execute(params![room.key, seq, mark])?;
    Ok(())
}

/// What the tables know of a user.
struct UserRow {
    display_name: DisplayName,
    current: [u8; 32],
    previous: Option<[u8; 32]>,
    sealed: Option<[u8; 16]>,
}

fn user(connection: &Connection, id: &UserId, now: Timestamp) -> rusqlite::Result<Option<UserRow>> {
    connection
        .prepare_cached("SELECT display_name, current, previous, sealed FROM user WHERE id = ?1 AND expires_at > ?2")?
        .query_row(params![id.as_str(), now.as_millis()], |row| {
            Ok(UserRow {
                display_name: DisplayName::from_stored(row.get(0)?),
                current: row.get(1)?,
                previous: row.get(2)?,
                sealed: row.get(3)?,
            })
        })
        .optional()
}

pub(super) fn admit(connection: &Connection, admission: Admission, now: Timestamp) -> Outcome<Written<Admitted>> {
    let Admission { user: id, presented, successor, keep_until, newcomer } = admission;
    let keep_until = keep_until.as_millis();
    let admitted = match (user(connection, &id, now)?, presented) {
        (None, presented) => {
            let Some(display_name) = newcomer else { return Ok(Ok(Written::quietly(Admitted::Unknown))) };
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO user (id, display_name, current, previous, sealed, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    id.as_str(),
                    display_name.as_str(),
                    successor.0,
                    presented.map(|p| p.hash.0),
                    presented.map(|p| p.sealed_successor.0),
                    keep_until,
                ])?;
            Admitted::Created(Chatter { id, display_name })
        }
        (Some(known), Some(presented)) if known.current == presented.hash.0 => {
            connection
                .prepare_cached(
                    "UPDATE user SET current = ?2, previous = ?3, sealed = ?4, expires_at = max(expires_at, ?5)
                     WHERE id = ?1",
                )?
                .execute(params![
                    id.as_str(),
                    successor.0,
                    presented.hash.0,
                    presented.sealed_successor.0,
                    keep_until
                ])?;
            Admitted::Rotated(Chatter { id, display_name: known.display_name })
        }
        (Some(UserRow { previous: Some(previous), sealed: Some(sealed), display_name, .. }), Some(presented))
            if previous == presented.hash.0 =>
        {
            connection
                .prepare_cached("UPDATE user SET expires_at = max(expires_at, ?2) WHERE id = ?1")?
                .execute(params![id.as_str(), keep_until])?;
            Admitted::Repeated(Chatter { id, display_name }, SealedToken(sealed))
        }
        (Some(_), _) => Admitted::WrongToken,
    };
    Ok(Ok(Written::quietly(admitted)))
}

pub(super) fn withdraw(connection: &Connection, user: &UserId, token: TokenHash) -> Outcome<Written<()>> {
    connection
        .prepare_cached("DELETE FROM user WHERE id = ?1 AND current = ?2")?
        .execute(params![user.as_str(), token.0])?;
    Ok(Ok(Written::quietly(())))
}

/// Changes nothing, but dirties a page, so that the commit has to reach the disk.
pub(super) fn ping(connection: &Connection, _now: Timestamp) -> Outcome<Written<()>> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(Ok(Written::quietly(())))
}

/// Marks the file as a LiveChat database (`file` and the SQLite shell show it); the bytes spell "LCha".
const APPLICATION_ID: i32 = 0x4c43_6861;
