//! The changes of a room, with their preconditions and their results.

use std::time::Duration;

use crate::domain::ban::BanReason;
use crate::domain::event::Event;
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::reaction::Emoji;
use crate::domain::room::{RoomId, SettingsUpdate};
use crate::domain::user::{Role, User, UserId};
use crate::store::admission::Admitted;

/// A keyed hash of the address of a client, valid in one room. The key is the room's [`RoomSecret`](crate::domain::room::RoomSecret).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressHash(pub [u8; 16]);

/// A user who acts in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user. In [`Change::Send`] and [`Store::join`](crate::store::Store::join), its name and picture are stored.
    pub user: User,
    /// Whether the user has proven to be the owner with this action. A user who did so earlier is an owner anyway.
    pub is_owner: bool,
    /// Replaces the address that is stored with the user. `None` if the address is unknown.
    pub address: Option<AddressHash>,
}

/// One change of a room.
#[derive(Clone, Debug)]
pub struct Commit {
    pub room: RoomId,
    /// The tag of the log entry.
    pub tag: EntryTag,
    pub change: Change,
}

/// The change of a commit, with its precondition.
#[derive(Clone, Debug)]
pub enum Change {
    /// Appends a message, within `limits`, if the rules of the room allow it.
    Send {
        author: Actor,
        text: MessageText,
        client_message_id: Option<ClientMessageId>,
        /// The index of the message that this one answers.
        reply_to: Option<u64>,
        limits: RoomLimits,
    },
    /// Replaces the text of the message at `index`, if its revision is `revision`, within `limits`, if the rules of the room allow it.
    Edit { editor: Actor, index: u64, revision: Seq, text: MessageText, limits: RoomLimits },
    /// Removes the text of the message at `index` and its reactions for good, if its revision is `revision`. No rule forbids it.
    Delete { by: Role, index: u64, revision: Seq },
    /// Changes settings. If none changes, an entry is appended all the same.
    Update { settings: SettingsUpdate, limits: RoomLimits },
    /// Bans a user of the room, or replaces its ban. `duration` is `None` for the room's life.
    Ban { user: UserId, duration: Option<Duration>, reason: Option<BanReason>, limits: RoomLimits },
    /// Lifts the ban of a user of the room. If there is none, an entry is appended all the same.
    Unban { user: UserId, limits: RoomLimits },
}

/// The result of [`Store::commit`](crate::store::Store::commit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The change is stored and published.
    New(Event),
    /// The same send was committed before. This is its event, with the message in its current state.
    Repeated(Event),
}

impl Committed {
    /// The event of the change.
    pub fn into_event(self) -> Event {
        match self {
            Self::New(event) | Self::Repeated(event) => event,
        }
    }
}

/// A message to commit once an [`Admission`](crate::store::Admission) has identified its author.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub room: RoomId,
    /// The tag of the log entry.
    pub tag: EntryTag,
    pub text: MessageText,
    pub client_message_id: Option<ClientMessageId>,
    /// The index of the message that this one answers.
    pub reply_to: Option<u64>,
    /// See [`Actor`].
    pub is_owner: bool,
    pub address: Option<AddressHash>,
    pub limits: RoomLimits,
}

impl NewMessage {
    /// The commit of this message, sent by `author`.
    pub fn into_commit(self, author: User) -> Commit {
        let Self { room, tag, text, client_message_id, reply_to, is_owner, address, limits } = self;
        let author = Actor { user: author, is_owner, address };
        Commit { room, tag, change: Change::Send { author, text, client_message_id, reply_to, limits } }
    }
}

/// A reaction to add or to remove.
#[derive(Clone, Debug)]
pub struct Reaction {
    pub room: RoomId,
    /// The tag of the log entry, if there is one.
    pub tag: EntryTag,
    /// Its name and picture are not stored.
    pub actor: Actor,
    /// The index of the message.
    pub message: u64,
    pub emoji: Emoji,
    /// Whether to add the reaction rather than to remove it.
    pub add: bool,
    pub limits: RoomLimits,
}

/// The result of [`Store::react`](crate::store::Store::react).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// The message after the change.
    pub message: Message,
    /// The end of the log after the change.
    pub head: Position,
    /// When [`Store::log_reactions`](crate::store::Store::log_reactions) is due, if the change was marked.
    pub due: Option<Duration>,
}

/// How much a room may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Messages, including deleted ones.
    pub messages: u64,
    /// Log entries, including those that are reserved for deletions.
    pub events: u64,
    /// Edits of each message.
    pub edits: u64,
}

impl RoomLimits {
    /// Whether a log of `entries` has space for another message, in a room with `live` messages that are not deleted.
    pub(in crate::store) const fn allow_message(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(2) <= self.events
    }

    /// Whether such a log has space for another edit, or for an entry about settings or a ban.
    pub(in crate::store) const fn allow_edit(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(1) <= self.events
    }

    /// Whether such a log has space for another entry about reactions. Entries about reactions take at most a quarter of the log.
    /// `reactions` counts them, including those that are reserved for marked messages. `live` includes these, too.
    pub(in crate::store) const fn allow_reaction(&self, entries: u64, live: u64, reactions: u64) -> bool {
        self.allow_edit(entries, live) && reactions < self.events / 4
    }
}

/// The result of [`Store::send`](crate::store::Store::send).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub admitted: Admitted,
    /// `None` if the user was not admitted.
    pub committed: Option<Committed>,
}
