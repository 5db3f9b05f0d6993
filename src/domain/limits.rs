//! Limits of what clients may store or request, and the validation of text against them.

use crate::domain::violation::{Field, Violation};
use crate::domain::visible::has_visible;

/// The configurable limits of what clients may store, all inclusive. docs/operations.md lists the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters in a message.
    pub text: usize,
    /// Characters in a display name.
    pub display_name: usize,
    /// Characters in a user id.
    pub user_id: usize,
    /// Messages in a room, including deleted ones.
    pub messages_per_room: u64,
    /// Entries in a room's log: sends, edits and deletions. One entry per message is reserved for its deletion.
    pub events_per_room: u64,
    /// Edits of a message.
    pub edits_per_message: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text: 4_000,
            display_name: 64,
            user_id: 128,
            messages_per_room: 100_000,
            events_per_room: 300_000,
            edits_per_message: 100,
        }
    }
}

/// Minimum characters in a user id. Fixed by the legacy contract.
pub const USER_ID_MIN: usize = 10;

/// Maximum characters in a `clientMessageId`.
pub const CLIENT_MESSAGE_ID_MAX: usize = 128;

/// Maximum characters in the title of a room.
pub const ROOM_TITLE_MAX: usize = 100;

/// Maximum seconds between two messages of one user that slow mode may ask for.
pub const SLOW_MODE_SECONDS_MAX: u32 = 3_600;

/// Maximum capacity of a room, in viewers.
pub const CAPACITY_MAX: u32 = 1_000_000;

/// Maximum number of users that may join a room without sending a message.
pub const JOINED_USERS_MAX: u64 = 10_000;

/// Maximum number of bans in a room.
pub const BANS_MAX: u64 = 10_000;

/// Maximum items in a page of any list.
pub const PAGE_MAX: u32 = 100;

/// Items in a page if the client does not say how many.
pub const PAGE_DEFAULT: u32 = 50;

/// Validates that `value` has `min` to `max` characters, no control characters other than `allowed_controls`, and at least one
/// visible character.
pub(super) fn validate_text(
    field: Field,
    value: &str,
    min: usize,
    max: usize,
    allowed_controls: &[char],
) -> Result<(), Violation> {
    let length = value.chars().count();
    if length < min {
        let problem = if length == 0 { "must not be empty".into() } else { format!("needs at least {min} characters") };
        return Err(field.invalid(problem));
    }
    if length > max {
        return Err(field.invalid(format!("may have at most {max} characters, this one has {length}")));
    }
    if value.chars().any(|c| c.is_control() && !allowed_controls.contains(&c)) {
        return Err(field.invalid("must not contain control characters"));
    }
    if !has_visible(value) {
        return Err(field.invalid("must contain a visible character"));
    }
    Ok(())
}
