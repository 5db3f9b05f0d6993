//! Bans of users from a room.

use crate::domain::limits::validate_text;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::User;
use crate::domain::violation::{Field, Violation};

/// A user that may read a room, but not act in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub user: User,
    pub at: Timestamp,
    /// `None` for the room's life.
    pub until: Option<Timestamp>,
    pub reason: Option<BanReason>,
}

impl Ban {
    /// Whether the ban holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Maximum characters in the reason of a ban.
pub const BAN_REASON_MAX: usize = 200;

/// The owner's reason for a ban, which everyone in the room can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanReason(String);

impl BanReason {
    /// Parses 1 to [`BAN_REASON_MAX`] characters without control characters, at least one of them visible.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        validate_text(Field::Reason, text, 1, BAN_REASON_MAX, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// Wraps a reason that was validated before it was stored.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
