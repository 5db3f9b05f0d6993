//! How users are authenticated and admitted.

use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};

/// A request to act as a user.
#[derive(Clone, Debug)]
pub struct Admission {
    pub user: UserId,
    /// The token that the client presents, if it is well-formed.
    pub presented: Option<PresentedToken>,
    /// The token that the client gets in exchange.
    pub next_token: TokenHash,
    /// The store keeps the user at least until this time.
    pub keep_until: Timestamp,
    /// The name to register an unknown user with; `None` to not register it.
    pub register_as: Option<DisplayName>,
}

/// A token that a client presents, and the next token sealed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    pub hash: TokenHash,
    pub sealed_next_token: SealedToken,
}

/// The result of [`Store::authenticate`](crate::store::Store::authenticate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The user was unknown and is now registered with the next token. A presented token becomes its previous token, so a
    /// client that makes up its first token can repeat even its first action.
    Created(User),
    /// The presented token was the current one and becomes the previous one. The next token becomes the current one.
    Rotated(User),
    /// The presented token was the previous one. Its next token, which has not been used yet, stays the current one.
    Repeated(User, SealedToken),
    /// There is no such user, and no name to register it with.
    Unknown,
    /// The presented token is not a token of the user.
    WrongToken,
}

impl Admitted {
    /// The user, if it was admitted.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::Created(user) | Self::Rotated(user) | Self::Repeated(user, _) => Some(user),
            Self::Unknown | Self::WrongToken => None,
        }
    }
}
