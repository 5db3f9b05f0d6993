//! How much of everything a room takes, and the checks that text from outside goes through.

use crate::domain::violation::{Field, Violation};
use crate::domain::visible::has_visible;

/// The bounds of what clients may store. All settable; the defaults are the documented ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters in a message, at most.
    pub text: usize,
    /// Characters in a display name, at most.
    pub display_name: usize,
    /// Characters in a user id, at most.
    pub user_id: usize,
    /// Messages in a room, at most, deleted ones included.
    pub messages_per_room: u64,
    /// Entries in a room's log, at most: sends, edits and deletions, with one reserved for the deletion of each message.
    pub events_per_room: u64,
    /// Edits of a message, at most.
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

/// Characters in a user id, at least. Fixed by the legacy contract.
pub const USER_ID_MIN: usize = 10;

/// Characters in a `clientMessageId`, at most.
pub const CLIENT_MESSAGE_ID_MAX: usize = 128;

/// Items in one page of any list, at most.
pub const PAGE_MAX: u32 = 100;

/// Items in a page when the client names no number.
pub const PAGE_DEFAULT: u32 = 50;

/// Checks the length of `value` in characters, that it holds no control character but those in `allowed_controls`, and that
/// something of it can be seen.
pub(super) fn check_text(
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
