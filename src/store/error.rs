//! The errors of a store.

use std::error::Error;
use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// The errors of a store. They mean the same in every store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such room, or no such message in it. Nothing was written.
    #[error("not found")]
    NotFound,
    /// The precondition no longer holds. Nothing was written; read again and decide anew.
    #[error("conflict")]
    Conflict,
    /// The room has no space for another message, or its log only for deletions. Nothing was written.
    #[error("full")]
    Full,
    /// The message has reached its number of edits. Nothing was written.
    #[error("the message has reached its number of edits")]
    EditLimit,
    /// A rule of the room forbids the change. Nothing was written.
    #[error("a rule of the room forbids this")]
    Denied(Denial),
    /// The message to reply to, or the user to ban or to unban, does not exist in the room. Nothing was written.
    #[error("the target does not exist")]
    NoSuchTarget,
    /// The log has no entry with this number and tag.
    #[error("the log has no entry at this position")]
    ForeignPosition,
    /// The store cannot be reached or cannot write now. A write may or may not have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// The store returned something invalid: a defect of ours, or data that another program changed.
    #[error("stored data is corrupt")]
    Corrupt(#[source] BoxError),
}

impl StoreError {
    /// Whether the store failed, rather than refused an operation for a reason that callers expect.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Corrupt(_))
    }
}

/// The cause of a [`StoreError`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Which rule of a room forbids a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The user or its address is banned; `None` for the room's life.
    Banned {
        until: Option<Timestamp>,
    },
    Locked,
    /// The user may send its next message after this time.
    SlowMode {
        retry_after: Duration,
    },
    /// The user to ban is an owner.
    IsOwner,
}
