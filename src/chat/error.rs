//! Refusals and failures of the service, which each API translates.

use std::error::Error;
use std::time::Duration;

use crate::access::identity::IdentityError;
use crate::access::{Denied, LockedOut};
use crate::domain::timestamp::Timestamp;
use crate::domain::violation::{Field, Violation};
use crate::error_code::ErrorCode;
use crate::rate_limit::RateLimited;
use crate::store::{BoxError, Denial, StoreError};

/// Why a use case was refused or failed.
///
/// The errors before `Unavailable` refuse the request. `Unavailable` passes by itself, and `Internal` is a defect of the
/// server. The APIs match without a wildcard, so a new variant compiles only after each API handles it.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("there is no such room; rooms end 24 hours after their creation unless the server says otherwise")]
    RoomNotFound,
    #[error("the room code is wrong")]
    RoomCodeInvalid,
    #[error("the token is not this user's current one; use the token of the user's last answer")]
    TokenInvalid,
    /// Only the legacy routes report this. GraphQL reports a wrong token instead, so as not to reveal which ids are in use.
    #[error("there is no such user; the first message registers its user")]
    UserUnknown,
    #[error(transparent)]
    Refused(#[from] Violation),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the owner token is not that of this room; use the one that createRoom returned")]
    OwnerTokenInvalid,
    #[error("the presence token is not valid in this room; use the one that joinRoom returned")]
    PresenceTokenInvalid,
    /// `until` is `None` for the room's life.
    #[error("the owner has banned this user from the room")]
    UserBanned { until: Option<Timestamp> },
    #[error("the room is locked; only its owner may write, edit and react")]
    RoomLocked,
    #[error("the room is in slow mode; wait before the next message")]
    SlowMode { retry_after: Duration },
    #[error("the room has as many viewers as its owner allows; try again later")]
    RoomAtCapacity,
    #[error("the room is full")]
    RoomFull,
    #[error("the message has been edited too often; it can still be deleted")]
    EditLimit,
    #[error("the message has as many kinds of reactions as it may, or the room accepts no more reactions")]
    ReactionsFull,
    #[error("this user has changed this reaction, or reacted with other emoji, too often")]
    ReactionLimit,
    #[error("the message keeps changing; read it again and repeat")]
    Conflict,
    /// The client acted or failed too often. The action is allowed again after `retry_after`.
    #[error("{message}")]
    RateLimited { message: &'static str, retry_after: Duration },
    #[error("the service is unavailable for the moment; try again")]
    Unavailable(#[source] BoxError),
    #[error("something went wrong on our side")]
    Internal(#[source] BoxError),
}

impl ChatError {
    /// The error code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::RoomNotFound => ErrorCode::RoomNotFound,
            Self::RoomCodeInvalid => ErrorCode::RoomCodeInvalid,
            Self::TokenInvalid => ErrorCode::TokenInvalid,
            Self::UserUnknown => ErrorCode::UserUnknown,
            Self::Refused(Violation::Invalid { .. }) => ErrorCode::ValidationFailed,
            Self::Refused(Violation::MessageNotFound) => ErrorCode::MessageNotFound,
            Self::Refused(Violation::NotAuthor) => ErrorCode::NotAuthor,
            Self::Refused(Violation::CursorInvalid) => ErrorCode::CursorInvalid,
            Self::Identity(IdentityError::Required | IdentityError::RequiredToCreateRooms) => {
                ErrorCode::IdentityRequired
            }
            Self::Identity(IdentityError::Invalid(..)) => ErrorCode::IdentityInvalid,
            Self::Identity(IdentityError::Expired) => ErrorCode::IdentityExpired,
            Self::OwnerTokenInvalid => ErrorCode::OwnerTokenInvalid,
            Self::PresenceTokenInvalid => ErrorCode::PresenceTokenInvalid,
            Self::UserBanned { .. } => ErrorCode::UserBanned,
            Self::RoomLocked => ErrorCode::RoomLocked,
            Self::SlowMode { .. } => ErrorCode::SlowMode,
            Self::RoomAtCapacity => ErrorCode::RoomAtCapacity,
            Self::RoomFull | Self::ReactionsFull => ErrorCode::RoomFull,
            Self::EditLimit | Self::ReactionLimit => ErrorCode::EditLimitReached,
            Self::Conflict => ErrorCode::Conflict,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// The cause to log, if the client did not cause the error.
    pub fn fault(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(source) | Self::Internal(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<RateLimited> for ChatError {
    fn from(limited: RateLimited) -> Self {
        Self::RateLimited { message: limited.action.message(), retry_after: limited.retry_after }
    }
}

impl From<LockedOut> for ChatError {
    fn from(locked_out: LockedOut) -> Self {
        Self::RateLimited { message: locked_out.reason.message(), retry_after: locked_out.retry_after }
    }
}

impl From<Denied> for ChatError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::LockedOut(locked_out) => locked_out.into(),
            Denied::WrongCode => Self::RoomCodeInvalid,
            Denied::Identity(error) => error.into(),
            Denied::Store(error) => error.into(),
        }
    }
}

/// The meaning of a store error in a use case that does not handle it itself.
impl From<StoreError> for ChatError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::RoomNotFound,
            StoreError::Conflict => Self::Conflict,
            StoreError::Full => Self::RoomFull,
            StoreError::EditLimit => Self::EditLimit,
            StoreError::Denied(Denial::Banned { until }) => Self::UserBanned { until },
            StoreError::Denied(Denial::Locked) => Self::RoomLocked,
            StoreError::Denied(Denial::SlowMode { retry_after }) => Self::SlowMode { retry_after },
            StoreError::Denied(Denial::IsOwner) => {
                Self::Refused(Field::UserId.invalid("is that of an owner, who cannot be banned"))
            }
            StoreError::NoSuchTarget => Self::Refused(Violation::MessageNotFound),
            StoreError::ForeignPosition => Self::Refused(Violation::CursorInvalid),
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Corrupt(source) => Self::Internal(source),
        }
    }
}
