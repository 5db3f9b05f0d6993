//! Types of a migration from one store to another that the [`Store`](super::Store) trait does not have: stored users, and
//! the outcome of each copy.

use crate::domain::timestamp::Timestamp;
use crate::domain::user::{TokenHash, User};
use crate::store::PresentedToken;

/// A user with everything that its tokens need to stay valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub user: User,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The previous token, with the current one sealed under it.
    pub previous: Option<PresentedToken>,
    pub expires_at: Timestamp,
}

/// The outcome of copying a room or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveOutcome {
    /// It was copied.
    Copied,
    /// The target already had the same.
    AlreadyThere,
    /// The target has a different one under the same id, which was left as it is.
    Differs,
    /// It has expired by the clock of one of the two stores.
    Expired,
}
