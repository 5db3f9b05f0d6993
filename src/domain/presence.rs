//! Who is in a room now, and who is typing. Nothing of it is stored in the log.

use std::time::Duration;

use crate::domain::user::{Role, User};

/// How long a user is shown after its last presence subscription has ended, so that reconnects do not flicker.
pub const PRESENCE_LINGER: Duration = Duration::from_secs(10);

/// How long a user is shown as typing after it said so.
pub const TYPING_DURATION: Duration = Duration::from_secs(5);

/// Maximum number of users in a list of present users.
pub const PRESENT_USERS_MAX: usize = 1_000;

/// A user that is shown to the others in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentUser {
    pub user: User,
    pub role: Role,
}

/// A user who is typing, or has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    pub user: User,
    /// How much longer the user is shown as typing; zero if it has stopped.
    pub remaining: Duration,
}
