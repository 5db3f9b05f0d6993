//! The write operations. Each runs inside the writer's transaction, and checks everything before it writes anything.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::embedded::history::{self, kind_to_sql};
use crate::store::embedded::layout;
use crate::store::embedded::recent_messages::CommittedChange;
use crate::store::embedded::room_cache::CachedRoom;
use crate::store::embedded::rooms::{RoomRow, tag_to_sql};
use crate::store::embedded::writer::WriteContext;
use crate::store::{Admission, Admitted, Change, Commit, Committed, NewMessage, RoomState, Sent, StoreError};

pub(super) fn create_room(
    ctx: &mut WriteContext<'_>,
    id: RoomId,
    code: RoomCode,
    ttl: Duration,
) -> Result<RoomState, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = Room { id, code, created_at: now, expires_at: now.plus(ttl) };
    ctx.shared.wake_sweeper.notify_one();
    ctx.rooms.remove(room.id);
    // Frees the id of an expired room. The sweeper finds the room by its key.
    connection
        .prepare_cached("UPDATE room SET id = randomblob(16) WHERE id = ?1 AND expires_at <= ?2")?
        .execute(params![room.id.as_bytes(), now.as_millis()])?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO room (id, code, created_at, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            room.id.as_bytes(),
            room.code.reveal(),
            room.created_at.as_millis(),
            room.expires_at.as_millis()
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict);
    }
    Ok(RoomState { room, now, head: Position::START, message_count: 0, user_count: 0 })
}

/// Authenticates and commits in one step.
pub(super) fn send(ctx: &mut WriteContext<'_>, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
    let token = admission.next_token;
    let admitted = admit(ctx, admission, false)?;
    let Some(author) = admitted.user() else { return Ok(Sent { admitted, committed: None }) };
    let committed = commit(ctx, message.into_commit(author.clone()));
    if committed.is_err()
        && let Admitted::Created(author) = &admitted
    {
        delete_user(ctx.connection, &author.id, token)?;
    }
    Ok(Sent { committed: Some(committed?), admitted })
}

pub(super) fn commit(ctx: &mut WriteContext<'_>, commit: Commit) -> Result<Committed, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = ctx.rooms.find(connection, commit.room, now)?.ok_or(StoreError::NotFound)?;
    let entries = room.row.state.head.seq;
    let position = Position { seq: entries.next(), tag: commit.tag };
    let (kind, message) = match commit.change {
        Change::Send { author, text, client_message_id, limits } => {
            if let Some(id) = &client_message_id
                && let Some(first) = find_repeated(connection, &room.row, &author.id, id)?
            {
                return Ok(Committed::Repeated(first));
            }
            if room.row.state.message_count >= limits.messages || !limits.allow_message(entries.0, room.row.live()) {
                return Err(StoreError::Full);
            }
            (EventKind::Sent, append_message(connection, room, author, text, client_message_id, position)?)
        }
        Change::Edit { index, revision, text, limits } => {
            let message = find_for_change(connection, &room.row, index, revision)?;
            if edit_count(connection, &room.row, index)? >= limits.edits {
                return Err(StoreError::EditLimit);
            }
            if !limits.allow_edit(entries.0, room.row.live()) {
                return Err(StoreError::Full);
            }
            let edited = Message { text: Some(text), edited_at: Some(now), revision: position.seq, ..message };
            update_message(connection, &room.row, &edited, 1)?;
            (EventKind::Edited, edited)
        }
        Change::Delete { index, revision } => {
            let message = find_for_change(connection, &room.row, index, revision)?;
            let deleted = Message { text: None, deleted_at: Some(now), revision: position.seq, ..message };
            update_message(connection, &room.row, &deleted, 0)?;
            room.row.deleted += 1;
            (EventKind::Deleted, deleted)
        }
    };
    let event = Event { kind, position, at: now, message };
    if kind != EventKind::Sent {
        append_change(connection, &room.row, &event)?;
    }
    room.row.state.head = position;
    let user_count = room.row.state.user_count;
    if kind == EventKind::Sent {
        ctx.rooms.add_user(commit.room, &event.message.author.id);
    }
    ctx.changes.push(CommittedChange { event: event.clone(), user_count });
    Ok(Committed::New(event))
}

/// Finds the event of an earlier send with the same client message id.
fn find_repeated(
    connection: &Connection,
    room: &RoomRow,
    author: &UserId,
    id: &ClientMessageId,
) -> rusqlite::Result<Option<Event>> {
    let sent = connection
        .prepare_cached("SELECT seq FROM message WHERE id >> 28 = ?1 AND author = ?2 AND client_id = ?3")?
        .query_row(params![room.key, author.as_str(), id.as_str()], |row| row.get(0).map(Seq))
        .optional()?;
    let Some(sent) = sent else { return Ok(None) };
    Ok(history::events(connection, room, sent, 1)?.pop())
}

fn append_message(
    connection: &Connection,
    room: &mut CachedRoom,
    author: User,
    text: MessageText,
    client_message_id: Option<ClientMessageId>,
    position: Position,
) -> rusqlite::Result<Message> {
    let (index, now, seq) = (room.row.state.message_count, room.row.state.now, position.seq);
    connection
        .prepare_cached(
            "INSERT INTO message (id, seq, tag, revision, created_at, author, display_name, text, client_id)
             VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            room.row.id_of(index),
            seq.0,
            tag_to_sql(position.tag),
            now.as_millis(),
            author.id.as_str(),
            author.display_name.as_str(),
            text.as_str(),
            client_message_id.as_ref().map(ClientMessageId::as_str),
        ])?;
    if !room.has_user(&author.id) {
        let inserted = connection
            .prepare_cached(
                "INSERT INTO chatter (room, ordinal, user, display_name) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (room, user) DO NOTHING",
            )?
            .execute(params![
                room.row.key,
                room.row.state.user_count,
                author.id.as_str(),
                author.display_name.as_str()
            ])?;
        room.row.state.user_count += inserted as u64;
    }
    room.row.state.message_count += 1;
    Ok(Message {
        id: MessageId { room: room.row.state.room.id, index },
        author,
        text: Some(text),
        created_at: now,
        edited_at: None,
        deleted_at: None,
        client_message_id,
        revision: seq,
    })
}

/// Reads the message at `index`, which must still have the revision that the change was decided on.
fn find_for_change(connection: &Connection, room: &RoomRow, index: u64, revision: Seq) -> Result<Message, StoreError> {
    // SQLite integers have 63 bits. A larger index would fail the transaction, and other clients' writes with it.
    if index >= room.state.message_count {
        return Err(StoreError::NotFound);
    }
    match history::messages(connection, room, index..index + 1)?.pop() {
        None => Err(StoreError::NotFound),
        Some(message) if message.revision != revision => Err(StoreError::Conflict),
        Some(message) if message.deleted_at.is_some() => Err(StoreError::NotFound),
        Some(message) => Ok(message),
    }
}

/// How often the message at `index` was edited.
fn edit_count(connection: &Connection, room: &RoomRow, index: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT edits FROM message WHERE id = ?1")?
        .query_row([room.id_of(index)], |row| row.get(0))
}

/// Stores the new content of a message and adds `edits` to its count of edits.
fn update_message(connection: &Connection, room: &RoomRow, message: &Message, edits: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE message SET text = ?2, edited_at = ?3, deleted_at = ?4, revision = ?5, edits = edits + ?6 WHERE id = ?1",
        )?
        .execute(params![
            room.id_of(message.id.index),
            message.text.as_ref().map(MessageText::as_str),
            message.edited_at.map(Timestamp::as_millis),
            message.deleted_at.map(Timestamp::as_millis),
            message.revision.0,
            edits,
        ])
}

/// Appends the log entry of an edit or a deletion. The entry of a send is its message.
fn append_change(connection: &Connection, room: &RoomRow, event: &Event) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO change (id, kind, message, at, tag, sent, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            room.id_of(event.position.seq.0),
            kind_to_sql(event.kind),
            room.id_of(event.message.id.index),
            event.at.as_millis(),
            tag_to_sql(event.position.tag),
            room.state.message_count,
            room.deleted,
        ])
}

/// A row of the `user` table.
struct UserRow {
    display_name: DisplayName,
    current: [u8; 32],
    previous: Option<[u8; 32]>,
    sealed: Option<[u8; 16]>,
    expires_at: Timestamp,
    is_new: bool,
}

fn find_user(connection: &Connection, id: &UserId, now: Timestamp) -> rusqlite::Result<Option<UserRow>> {
    connection
        .prepare_cached(
            "SELECT display_name, current, previous, sealed, expires_at, is_new FROM user WHERE id = ?1 AND expires_at > ?2",
        )?
        .query_row(params![id.as_str(), now.as_millis()], |row| {
            Ok(UserRow {
                display_name: DisplayName::from_stored(row.get(0)?),
                current: row.get(1)?,
                previous: row.get(2)?,
                sealed: row.get(3)?,
                expires_at: Timestamp::from_millis(row.get(4)?),
                is_new: row.get(5)?,
            })
        })
        .optional()
}

pub(super) fn authenticate(ctx: &mut WriteContext<'_>, admission: Admission) -> Result<Admitted, StoreError> {
    Ok(admit(ctx, admission, true)?)
}

/// Authenticates a user or registers it. `is_new` marks a user that is registered without a message.
fn admit(ctx: &mut WriteContext<'_>, admission: Admission, is_new: bool) -> rusqlite::Result<Admitted> {
    let (connection, now) = (ctx.connection, ctx.now);
    let Admission { user: id, presented, next_token, keep_until, register_as } = admission;
    let Some(known) = find_user(connection, &id, now)? else {
        let Some(display_name) = register_as else { return Ok(Admitted::Unknown) };
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO user (id, display_name, current, previous, sealed, expires_at, is_new)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id.as_str(),
                display_name.as_str(),
                next_token.0,
                presented.map(|p| p.hash.0),
                presented.map(|p| p.sealed_next_token.0),
                keep_until.as_millis(),
                is_new,
            ])?;
        return Ok(Admitted::Created(User { id, display_name }));
    };
    let Some(presented) = presented else { return Ok(Admitted::WrongToken) };
    let is_current = known.current == presented.hash.0;
    let sealed = known.sealed.filter(|_| known.previous == Some(presented.hash.0));
    if is_current {
        connection
            .prepare_cached("UPDATE user SET current = ?2, previous = ?3, sealed = ?4, is_new = 0 WHERE id = ?1")?
            .execute(params![id.as_str(), next_token.0, presented.hash.0, presented.sealed_next_token.0])?;
    } else if sealed.is_none() {
        return Ok(Admitted::WrongToken);
    } else if known.is_new {
        connection.prepare_cached("UPDATE user SET is_new = 0 WHERE id = ?1")?.execute([id.as_str()])?;
    }
    // A separate statement, because it moves an index entry and is rarely needed.
    if keep_until > known.expires_at {
        connection
            .prepare_cached("UPDATE user SET expires_at = ?2 WHERE id = ?1")?
            .execute(params![id.as_str(), keep_until.as_millis()])?;
    }
    let user = User { id, display_name: known.display_name };
    Ok(match sealed {
        Some(sealed) if !is_current => Admitted::Repeated(user, SealedToken(sealed)),
        _ => Admitted::Rotated(user),
    })
}

pub(super) fn forget_new_user(ctx: &mut WriteContext<'_>, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
    ctx.connection
        .prepare_cached("DELETE FROM user WHERE id = ?1 AND current = ?2 AND is_new")?
        .execute(params![user.as_str(), token.0])?;
    Ok(())
}

fn delete_user(connection: &Connection, user: &UserId, token: TokenHash) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM user WHERE id = ?1 AND current = ?2")?
        .execute(params![user.as_str(), token.0])
        .map(drop)
}

/// Writes a page with the same content, so that the commit has to reach the disk.
pub(super) fn ping(ctx: &mut WriteContext<'_>) -> Result<(), StoreError> {
    Ok(ctx.connection.pragma_update(None, "application_id", layout::APPLICATION_ID)?)
}
