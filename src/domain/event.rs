//! The log of a room: numbered entries, positions in the log, and the events that subscribers receive.

use std::fmt;

use rand::RngExt as _;

use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;

/// The number of an entry in its room's log, contiguous from 1. Zero is the position before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A random tag of one log entry. A store that lost its last writes may give their numbers to other entries; the tag
/// tells them apart.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EntryTag(pub u64);

impl EntryTag {
    /// A tag for a new entry.
    pub fn random() -> Self {
        Self(rand::rng().random())
    }
}

impl fmt::Debug for EntryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryTag({:016x})", self.0)
    }
}

/// A position in a room's log: just after the entry with this number and tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    pub seq: Seq,
    /// Zero at the start of the log, where there is no entry.
    pub tag: EntryTag,
}

impl Position {
    /// Before the first entry.
    pub const START: Self = Self { seq: Seq(0), tag: EntryTag(0) };
}

/// What happened to the message of a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Sent,
    Edited,
    Deleted,
}

/// One accepted change of a room. A live event has its message as of the commit, a replayed event as of the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// The position to resume from after this event.
    pub position: Position,
    pub at: Timestamp,
    pub message: Message,
}

impl Event {
    /// The room of the message.
    pub const fn room(&self) -> RoomId {
        self.message.id.room
    }
}
