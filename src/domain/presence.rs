//! Who is in a room now, and who is typing. Nothing of it is stored in the log.

use std::time::Duration;

use crate::domain::user::{Role, User};

/// How long a user is shown at least after its last presence subscription has ended, so that reconnects do not flicker.
pub const PRESENCE_LINGER: Duration = Duration::from_secs(10);

/// How long a user is shown as typing after it said so.
pub const TYPING_DURATION: Duration = Duration::from_secs(5);

/// Maximum number of users in a list of users who are typing.
pub const TYPING_USERS_MAX: usize = 100;

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

/// What readers of a room's presence receive: first a snapshot, then changes, and a new snapshot whenever they may have missed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceUpdate {
    /// No other update of this process has the same.
    pub id: u64,
    pub kind: PresenceUpdateKind,
}

/// What an update tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceUpdateKind {
    Snapshot(PresenceSnapshot),
    Changed(PresenceChange),
    /// Everyone who is typing now, in the order in which they began.
    Typing(Vec<User>),
}

/// Who is in a room at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceSnapshot {
    pub viewer_count: u32,
    /// All present users. At most [`PRESENT_USERS_MAX`] of them are listed.
    pub user_count: u64,
    pub users: Vec<PresentUser>,
    pub typing: Vec<User>,
}

/// How the list of present users and the counts have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceChange {
    pub viewer_count: u32,
    pub user_count: u64,
    /// Users who are new in the list, or whose role or name has changed.
    pub joined: Vec<PresentUser>,
    /// Users who are no longer in the list.
    pub left: Vec<User>,
}
