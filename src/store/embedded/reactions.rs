//! The write operations on reactions. Frequent changes of the reactions to a message are gathered: the message is marked, and one
//! entry of the log follows.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::domain::event::EventKind;
use crate::domain::message::Message;
use crate::domain::position::{EntryTag, Position};
use crate::domain::reaction::{REACTION_KINDS_MAX, REACTION_TOGGLES_MAX, REACTIONS_INTERVAL};
use crate::domain::room::RoomId;
use crate::store::embedded::entries::{self, CommittedChange};
use crate::store::embedded::history;
use crate::store::embedded::reaction_rows::{self, EntryTimes, ReactionRow};
use crate::store::embedded::room_cache::CachedRoom;
use crate::store::embedded::rooms::number_of;
use crate::store::embedded::rules;
use crate::store::embedded::writer::WriteContext;
use crate::store::embedded::writes::{save_actor, update_message};
use crate::store::{Reacted, Reaction, StoreError};

/// Maximum number of entries that one call appends.
const ENTRIES_PER_CALL: usize = 64;

pub(super) fn react(ctx: &mut WriteContext<'_>, reaction: Reaction) -> Result<Reacted, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = ctx.rooms.find(connection, reaction.room, now)?.ok_or(StoreError::NotFound)?;
    if room.has_rules() {
        rules::check(connection, room, &reaction.actor)?;
    }
    let message = find_message(connection, room, reaction.message)?;
    let id = room.row.id_of(message.id.index);
    let Some(row) = toggled(connection, id, &message, &reaction)? else {
        save_actor(connection, room, &reaction.actor)?;
        return Ok(Reacted { message, head: room.row.state.head, due: None });
    };
    let times = reaction_rows::find_times(connection, id)?;
    let is_marked = times.is_some_and(|times| times.due.is_some());
    let entries = room.row.reaction_entries + room.marks;
    let head = room.row.state.head;
    if !is_marked && !reaction.limits.allow_reaction(head.seq.0, room.reserved(), entries) {
        return Err(StoreError::Full);
    }
    save_actor(connection, room, &reaction.actor)?;
    reaction_rows::save(connection, id, &reaction.actor.user.id, &reaction.emoji, row)?;
    let mut message = message;
    reaction_rows::count(&mut message.reactions, &reaction.emoji, reaction.add);
    message.reaction_changes += 1;
    room.row.state.reaction_changes += 1;
    update_message(connection, &room.row, &message, 0)?;
    let next_entry = times.map_or(now, |times| times.logged_at.plus(REACTIONS_INTERVAL));
    if next_entry <= now {
        let position = Position { seq: head.seq.next(), tag: reaction.tag };
        append_entry(connection, ctx.changes, room, position, message.clone(), is_marked)?;
        return Ok(Reacted { message, head: position, due: None });
    }
    let due = next_entry.since(now);
    if let Some(times) = times.filter(|_| !is_marked) {
        reaction_rows::save_times(connection, id, EntryTimes { due: Some(next_entry), ..times })?;
        room.marks += 1;
    }
    save_counts(connection, room)?;
    let reaction_changes = room.row.state.reaction_changes;
    let announced = (!is_marked).then_some(due);
    let changed = Box::new(message.clone());
    ctx.changes.push(CommittedChange::Reactions { message: changed, reaction_changes, due: announced });
    Ok(Reacted { message, head, due: Some(due) })
}

pub(super) fn log_reactions(ctx: &mut WriteContext<'_>, id: RoomId) -> Result<Option<Duration>, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let room = ctx.rooms.find(connection, id, now)?.ok_or(StoreError::NotFound)?;
    if room.marks == 0 {
        return Ok(None);
    }
    let marks = reaction_rows::marks(connection, room.row.key, ENTRIES_PER_CALL + 1)?;
    for (appended, (id, due)) in marks.into_iter().enumerate() {
        if due > now || appended == ENTRIES_PER_CALL {
            return Ok(Some(due.since(now)));
        }
        let message = find_message(connection, room, number_of(id))?;
        let position = Position { seq: room.row.state.head.seq.next(), tag: EntryTag::random() };
        append_entry(connection, ctx.changes, room, position, message, true)?;
    }
    Ok(None)
}

/// Reads a message that is not deleted.
fn find_message(connection: &Connection, room: &CachedRoom, index: u64) -> Result<Message, StoreError> {
    if index >= room.row.state.message_count {
        return Err(StoreError::NotFound);
    }
    let message = history::messages(connection, &room.row, index..index + 1)?.pop();
    message.filter(|message| message.deleted_at.is_none()).ok_or(StoreError::NotFound)
}

/// The row of the user's reaction after the change; `None` if nothing changes.
fn toggled(
    connection: &Connection,
    id: i64,
    message: &Message,
    reaction: &Reaction,
) -> Result<Option<ReactionRow>, StoreError> {
    let user = &reaction.actor.user.id;
    let known = reaction_rows::find(connection, id, user, &reaction.emoji)?;
    let row = known.unwrap_or_default();
    if row.is_on == reaction.add {
        return Ok(None);
    }
    let is_full = known.is_none() && reaction_rows::count_kinds(connection, id, user)? >= REACTION_KINDS_MAX;
    if row.toggles >= REACTION_TOGGLES_MAX || is_full {
        return Err(StoreError::EditLimit);
    }
    let is_counted = message.reactions.iter().any(|counted| counted.emoji == reaction.emoji);
    if reaction.add && !is_counted && message.reactions.len() >= REACTION_KINDS_MAX {
        return Err(StoreError::Full);
    }
    Ok(Some(ReactionRow { is_on: reaction.add, toggles: row.toggles + 1 }))
}

/// Appends the entry about the reactions to a message, and removes its mark.
fn append_entry(
    connection: &Connection,
    changes: &mut Vec<CommittedChange>,
    room: &mut CachedRoom,
    position: Position,
    message: Message,
    was_marked: bool,
) -> rusqlite::Result<()> {
    let times = EntryTimes { logged_at: room.row.state.now, due: None };
    reaction_rows::save_times(connection, room.row.id_of(message.id.index), times)?;
    room.marks = room.marks.saturating_sub(was_marked.into());
    room.row.reaction_entries += 1;
    save_counts(connection, room)?;
    entries::append(connection, changes, room, position, EventKind::ReactionsChanged(message)).map(drop)
}

/// Stores the numbers of changes of reactions and of entries about them.
fn save_counts(connection: &Connection, room: &CachedRoom) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE room SET reaction_changes = ?2, reaction_entries = ?3 WHERE key = ?1")?
        .execute(params![room.row.key, room.row.state.reaction_changes, room.row.reaction_entries])
}
