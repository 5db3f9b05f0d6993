//! What one store hands to another when everything moves: users as they are kept, and how it went. Rooms move as the state,
//! messages, chatters and events that the [`Store`](super::Store) knows already.

use crate::domain::timestamp::Timestamp;
use crate::domain::user::{TokenHash, User};
use crate::store::PresentedToken;

/// A user with all that makes its tokens work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptUser {
    pub chatter: User,
    /// The token that is good.
    pub current: TokenHash,
    /// The one before, with the current one sealed under it.
    pub previous: Option<PresentedToken>,
    pub expires_at: Timestamp,
}

/// What came of moving a room or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is there now, and was not before.
    Now,
    /// The very same was there before.
    Before,
    /// Another one is there under its id, and was left as it is.
    Differs,
    /// It has ended, by the clock of one of the two stores.
    Ended,
}
