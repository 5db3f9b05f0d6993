//! The log of a room: numbered entries, positions in it, and the events that readers see.

use std::fmt;

use rand::RngExt as _;

use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;

/// The number of an entry in its room's log: contiguous from 1. Zero is the place before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The number that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A random mark of one log entry. A store that lost its last writes may number another entry the same; the check
/// tells the two apart.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EntryTag(pub u64);

impl EntryTag {
    /// A mark for a new entry.
    pub fn random() -> Self {
        Self(rand::rng().random())
    }
}

impl fmt::Debug for EntryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryTag({:016x})", self.0)
    }
}

/// A place in a room's log: just after the entry with this number and this mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    pub seq: Seq,
    /// Zero at the start of the log, where there is no entry to name.
    pub check: EntryTag,
}

impl Position {
    /// Before the first entry.
    pub const START: Self = Self { seq: Seq(0), check: EntryTag(0) };
}

/// What an entry says happened to its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Sent,
    Edited,
    Deleted,
}

/// One accepted change of a room, with its message as it was when the event was made: at the commit for a live event,
/// at the reading for a replayed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// Where a reader stands who has seen this event.
    pub position: Position,
    pub at: Timestamp,
    pub message: Message,
}

impl Event {
    /// The room it happened in.
    pub const fn room(&self) -> RoomId {
        self.message.id.room
    }
}
