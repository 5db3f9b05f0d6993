//! Appends entries to the log of a room, and collects what to publish once they are on disk.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::store::FeedItem;
use crate::store::embedded::event_kinds;
use crate::store::embedded::room_cache::CachedRoom;
use crate::store::embedded::rooms::tag_to_sql;

/// A committed change of a room.
pub(super) enum CommittedChange {
    /// A new entry of the log.
    Entry {
        event: Arc<Event>,
        /// Distinct users of the room after it.
        user_count: u64,
        /// How often reactions in the room have changed after it.
        reaction_changes: u64,
    },
    /// A change of reactions without an entry of its own.
    Reactions {
        message: Box<Message>,
        reaction_changes: u64,
        /// When the entry is due, if the message was not marked before.
        due: Option<Duration>,
    },
    /// The room was ended.
    Ended(RoomId),
}

impl CommittedChange {
    /// The changed room.
    pub(super) fn room(&self) -> RoomId {
        match self {
            Self::Entry { event, .. } => event.room,
            Self::Reactions { message, .. } => message.id.room,
            Self::Ended(room) => *room,
        }
    }

    /// What the feeds get, if anything.
    pub(super) fn into_feed_item(self) -> Option<FeedItem> {
        match self {
            Self::Entry { event, .. } => Some(FeedItem::Event(event)),
            Self::Reactions { message, due, .. } => Some(FeedItem::ReactionsPending(message.id.room, due?)),
            Self::Ended(room) => Some(FeedItem::Ended(room)),
        }
    }

    /// Whether text that was replaced or removed must leave the write-ahead log. The sweeper cares for a room that has ended.
    pub(super) fn removes_text(&self) -> bool {
        match self {
            Self::Entry { event, .. } => !matches!(event.kind, EventKind::Sent(_) | EventKind::ReactionsChanged(_)),
            Self::Reactions { .. } | Self::Ended(_) => false,
        }
    }
}

/// Appends the entry of a change that was made to the room. The message of a send is its entry.
pub(super) fn append(
    connection: &Connection,
    changes: &mut Vec<CommittedChange>,
    room: &mut CachedRoom,
    position: Position,
    kind: EventKind,
) -> rusqlite::Result<Event> {
    let state = &mut room.row.state;
    let event = Event { room: state.room.id, position, at: state.now, kind };
    state.head = position;
    let (user_count, reaction_changes) = (state.user_count, state.reaction_changes);
    if let Some(stored) = event_kinds::to_sql(&event.kind) {
        connection
            .prepare_cached(
                "INSERT INTO change (id, kind, message, at, tag, sent, deleted, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                room.row.id_of(position.seq.0),
                stored.number,
                stored.message.map(|message| room.row.id_of(message.id.index)),
                event.at.as_millis(),
                tag_to_sql(position.tag),
                room.row.state.message_count,
                room.row.deleted,
                stored.payload,
            ])?;
    }
    changes.push(CommittedChange::Entry { event: Arc::new(event.clone()), user_count, reaction_changes });
    Ok(event)
}
