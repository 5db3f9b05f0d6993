//! Reports of present users.

use crate::domain::presence::PresentUser;
use crate::domain::user::UserId;

/// A node's report of users who are present in a room; see [`Store::report_presence`](crate::store::Store::report_presence).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceReport {
    pub changed: Vec<PresentUser>,
    pub left: Vec<UserId>,
    pub is_complete: bool,
}

/// The users who are present on other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresentUsers {
    pub users: Vec<PresentUser>,
    /// All of them, except those who are not listed and whom this node reports, too.
    pub total: u64,
}
