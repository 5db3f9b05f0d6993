//! The write operations on rooms. Each runs inside the writer's transaction, and checks everything before it writes anything.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::ban::Ban;
use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{Position, Seq};
use crate::domain::room::{Room, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, Role, UserId};
use crate::store::embedded::bans;
use crate::store::embedded::entries::{self, CommittedChange};
use crate::store::embedded::history::{self, roles_to_sql};
use crate::store::embedded::layout;
use crate::store::embedded::members::{self, MemberRow};
use crate::store::embedded::reaction_rows;
use crate::store::embedded::room_cache::CachedRoom;
use crate::store::embedded::rooms::{self, RoomRow, tag_to_sql};
use crate::store::embedded::rules;
use crate::store::embedded::user_writes;
use crate::store::embedded::writer::WriteContext;
use crate::store::{
    Actor, Admission, Admitted, BanRecord, Change, Commit, Committed, Denial, Member, NewMessage, NewRoom, RoomLimits,
    RoomState, Sent, StoreError,
};

pub(super) fn create_room(ctx: &mut WriteContext<'_>, room: NewRoom) -> Result<RoomState, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let NewRoom { id, code, ttl, owner_token, secret, settings } = room;
    let room = Room { id, code, owner_token, secret, created_at: now, expires_at: now.plus(ttl) };
    ctx.shared.wake_sweeper.notify_one();
    ctx.rooms.remove(room.id);
    // Frees the id of an expired room. The sweeper finds the room by its key.
    connection
        .prepare_cached("UPDATE room SET id = randomblob(16) WHERE id = ?1 AND expires_at <= ?2")?
        .execute(params![room.id.as_bytes(), now.as_millis()])?;
    if !rooms::insert(connection, &room, &settings)? {
        return Err(StoreError::Conflict);
    }
    Ok(RoomState { room, now, head: Position::START, message_count: 0, user_count: 0, settings, reaction_changes: 0 })
}

pub(super) fn end_room(ctx: &mut WriteContext<'_>, id: RoomId) -> Result<(), StoreError> {
    let room = ctx.rooms.find(ctx.connection, id, ctx.now)?.ok_or(StoreError::NotFound)?;
    rooms::end(ctx.connection, room.row.key)?;
    ctx.rooms.remove(id);
    ctx.changes.push(CommittedChange::Ended(id));
    ctx.shared.wake_sweeper.notify_one();
    Ok(())
}

/// Authenticates and commits in one step.
pub(super) fn send(ctx: &mut WriteContext<'_>, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
    let token = admission.next_token;
    let admitted = user_writes::admit(ctx, admission, false)?;
    let Some(author) = admitted.user() else { return Ok(Sent { admitted, committed: None }) };
    let committed = commit(ctx, message.into_commit(author.clone()));
    if committed.is_err()
        && let Admitted::Created(author) = &admitted
    {
        user_writes::delete_user(ctx.connection, &author.id, token)?;
    }
    Ok(Sent { committed: Some(committed?), admitted })
}

pub(super) fn commit(ctx: &mut WriteContext<'_>, commit: Commit) -> Result<Committed, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = ctx.rooms.find(connection, commit.room, now)?.ok_or(StoreError::NotFound)?;
    let entries = room.row.state.head.seq;
    let position = Position { seq: entries.next(), tag: commit.tag };
    let allow_entry = |room: &CachedRoom, limits: RoomLimits| {
        if limits.allow_edit(entries.0, room.reserved()) { Ok(()) } else { Err(StoreError::Full) }
    };
    let kind = match commit.change {
        Change::Send { author, text, client_message_id, reply_to, limits } => {
            if let Some(id) = &client_message_id
                && let Some(first) = find_repeated(connection, &room.row, &author.user.id, id)?
            {
                return Ok(Committed::Repeated(first));
            }
            let pace = if room.has_rules() {
                rules::check(connection, room, &author)?;
                rules::check_pace(connection, room, &author)?
            } else {
                None
            };
            let state = &room.row.state;
            if reply_to.is_some_and(|target| target >= state.message_count) {
                return Err(StoreError::NoSuchTarget);
            }
            if state.message_count >= limits.messages || !limits.allow_message(entries.0, room.reserved()) {
                return Err(StoreError::Full);
            }
            if let Some(pace) = pace {
                pace.record(connection, room)?;
            }
            let author_role = save_sender(connection, room, &author)?;
            let id = MessageId { room: commit.room, index: room.row.state.message_count };
            let message = Message::new(id, author.user, now, position.seq);
            let message = Message { author_role, text: Some(text), client_message_id, reply_to, ..message };
            insert_message(connection, &room.row, &message, position)?;
            room.row.state.message_count += 1;
            EventKind::Sent(message)
        }
        Change::Edit { editor, index, revision, text, limits } => {
            if room.has_rules() {
                rules::check(connection, room, &editor)?;
            }
            let message = find_for_change(connection, &room.row, index, revision)?;
            if edit_count(connection, &room.row, index)? >= limits.edits {
                return Err(StoreError::EditLimit);
            }
            allow_entry(room, limits)?;
            save_actor(connection, room, &editor)?;
            let edited = Message { text: Some(text), edited_at: Some(now), revision: position.seq, ..message };
            update_message(connection, &room.row, &edited, 1)?;
            EventKind::Edited(edited)
        }
        Change::Delete { by, index, revision } => {
            let mut message = find_for_change(connection, &room.row, index, revision)?;
            if message.reaction_changes > 0 && reaction_rows::remove(connection, room.row.id_of(index))? {
                room.marks = room.marks.saturating_sub(1);
            }
            (message.text, message.reactions) = (None, Vec::new());
            (message.deleted_at, message.deleted_by, message.revision) = (Some(now), Some(by), position.seq);
            update_message(connection, &room.row, &message, 0)?;
            room.row.deleted += 1;
            EventKind::Deleted(message)
        }
        Change::Update { settings, limits } => {
            allow_entry(room, limits)?;
            let settings = settings.apply(room.row.state.settings.clone());
            rooms::update_settings(connection, room.row.key, &settings)?;
            if settings.slow_mode_seconds > room.row.state.settings.slow_mode_seconds {
                rules::record_earlier_messages(connection, &room.row)?;
            }
            room.row.state.settings = settings.clone();
            EventKind::RoomUpdated(settings)
        }
        Change::Ban { user, duration, reason, limits } => {
            let member = room.member(connection, &user)?.ok_or(StoreError::NoSuchTarget)?.clone();
            if member.role == Role::Owner {
                return Err(StoreError::Denied(Denial::IsOwner));
            }
            allow_entry(room, limits)?;
            if !bans::make_space(connection, room.row.key, &user, now)? {
                return Err(StoreError::Full);
            }
            let address = member.address.filter(|_| !user.is_signed());
            let until = duration.map(|duration| now.plus(duration));
            let ban = Ban { user: member.user(user), at: now, until, reason };
            let row = BanRecord { index: position.seq.0, ban, address };
            bans::insert(connection, room.row.key, &row)?;
            room.has_bans = true;
            EventKind::UserBanned(row.ban)
        }
        Change::Unban { user, limits } => {
            let unbanned = room.member(connection, &user)?.ok_or(StoreError::NoSuchTarget)?.user(user);
            allow_entry(room, limits)?;
            bans::remove(connection, room.row.key, &unbanned.id)?;
            room.has_bans = bans::exist(connection, room.row.key)?;
            EventKind::UserUnbanned(unbanned)
        }
    };
    Ok(Committed::New(entries::append(connection, ctx.changes, room, position, kind)?))
}

pub(super) fn join(ctx: &mut WriteContext<'_>, id: RoomId, actor: Actor) -> Result<Member, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = ctx.rooms.find(connection, id, now)?.ok_or(StoreError::NotFound)?;
    rules::check_bans(connection, room, &actor)?;
    let key = room.row.key;
    let row = match room.member(connection, &actor.user.id)? {
        Some(known) if known.is_current(&actor) => known.clone(),
        Some(known) => {
            let row = known.updated(&actor);
            members::update(connection, key, &actor.user.id, &row)?;
            room.set_member(&actor.user.id, row.clone());
            row
        }
        None => {
            let ordinal = members::next_joined(connection, key)?.ok_or(StoreError::Full)?;
            let row = MemberRow::new(ordinal, &actor);
            members::insert(connection, key, &actor.user.id, &row)?;
            room.set_member(&actor.user.id, row.clone());
            row
        }
    };
    Ok(Member { role: row.role, user: row.user(actor.user.id), banned_until: None, head: room.row.state.head })
}

/// Stores what a send tells about its author. Returns the author's role.
fn save_sender(connection: &Connection, room: &mut CachedRoom, author: &Actor) -> rusqlite::Result<Role> {
    let (key, ordinal) = (room.row.key, room.row.state.user_count);
    let row = match room.member(connection, &author.user.id)? {
        Some(known) if known.has_sent() && known.is_current(author) => return Ok(known.role),
        Some(known) => {
            let mut row = known.updated(author);
            if !known.has_sent() {
                row.ordinal = ordinal.cast_signed();
            }
            members::update(connection, key, &author.user.id, &row)?;
            row
        }
        None => {
            let row = MemberRow::new(ordinal.cast_signed(), author);
            members::insert(connection, key, &author.user.id, &row)?;
            row
        }
    };
    room.row.state.user_count = room.row.state.user_count.max(row.ordinal.cast_unsigned() + 1);
    let role = row.role;
    room.set_member(&author.user.id, row);
    Ok(role)
}

/// Stores what an action without a message tells about a user of the room: its address, and whether it is the owner.
pub(super) fn save_actor(connection: &Connection, room: &mut CachedRoom, actor: &Actor) -> rusqlite::Result<()> {
    let key = room.row.key;
    let Some(known) = room.member(connection, &actor.user.id)? else { return Ok(()) };
    let row = known.after_action(actor);
    if row != *known {
        members::update(connection, key, &actor.user.id, &row)?;
        room.set_member(&actor.user.id, row);
    }
    Ok(())
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

fn insert_message(
    connection: &Connection,
    room: &RoomRow,
    message: &Message,
    position: Position,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO message (id, seq, tag, revision, created_at, author, display_name, text, client_id, roles, reply_to, avatar_url)
             VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            room.id_of(message.id.index),
            position.seq.0,
            tag_to_sql(position.tag),
            message.created_at.as_millis(),
            message.author.id.as_str(),
            message.author.display_name.as_str(),
            message.text.as_ref().map(MessageText::as_str),
            message.client_message_id.as_ref().map(ClientMessageId::as_str),
            roles_to_sql(message),
            message.reply_to,
            message.author.avatar_url.as_ref().map(AvatarUrl::as_str),
        ])
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
pub(super) fn update_message(
    connection: &Connection,
    room: &RoomRow,
    message: &Message,
    edits: u64,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE message SET text = ?2, edited_at = ?3, deleted_at = ?4, revision = ?5, edits = edits + ?6, roles = ?7,
                    reactions = ?8 WHERE id = ?1",
        )?
        .execute(params![
            room.id_of(message.id.index),
            message.text.as_ref().map(MessageText::as_str),
            message.edited_at.map(Timestamp::as_millis),
            message.deleted_at.map(Timestamp::as_millis),
            message.revision.0,
            edits,
            roles_to_sql(message),
            reaction_rows::to_sql(message.reaction_changes, &message.reactions),
        ])
}

/// Writes a page with the same content, so that the commit has to reach the disk.
pub(super) fn ping(ctx: &mut WriteContext<'_>) -> Result<(), StoreError> {
    Ok(ctx.connection.pragma_update(None, "application_id", layout::APPLICATION_ID)?)
}
