//! Why access is denied.

use std::time::Duration;

use crate::access::identity::IdentityError;
use crate::store::StoreError;

/// Why a client is locked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutReason {
    /// Too many requests, of this client or in total, wait for their room codes to be checked.
    QueueFull,
    /// Too many wrong room codes, counted by address, by network and by room.
    WrongCodes,
    /// Too many wrong tokens, counted by user and address.
    WrongTokens,
}

impl LockoutReason {
    pub(super) const ALL: [Self; 3] = [Self::QueueFull, Self::WrongCodes, Self::WrongTokens];

    /// The value of the metric's label `action`.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "enter_room",
            Self::WrongCodes => "wrong_code",
            Self::WrongTokens => "wrong_token",
        }
    }

    /// The error message for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::QueueFull => "too many room codes from this address wait to be checked; wait a little",
            Self::WrongCodes => "too many wrong room codes; no code is checked for a while",
            Self::WrongTokens => "too many wrong tokens for this user; use the token of the user's last answer",
        }
    }
}

/// A refusal without a check of the code, or in place of "wrong token".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedOut {
    pub reason: LockoutReason,
    pub retry_after: Duration,
}

/// Why a client may not enter a room.
#[derive(Debug)]
pub enum Denied {
    WrongCode,
    LockedOut(LockedOut),
    Identity(IdentityError),
    Store(StoreError),
}

impl From<IdentityError> for Denied {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
