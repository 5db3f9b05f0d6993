//! Positions in the log of a room: entry numbers, and the tags that tell entries with the same number apart.

use std::fmt;

use rand::RngExt as _;

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
