//! Where a [`ChatError`] becomes a GraphQL error: message, `extensions.code`, and what the client needs to act on it.

use async_graphql::{Error, ErrorExtensions as _};

use crate::chat::ChatError;
use crate::domain::violation::Violation;

/// The error as a client sees it. What is not the client's doing is logged here, once, with its cause.
pub(super) fn chat_error(error: ChatError) -> Error {
    let error = &error;
    let code = match error {
        ChatError::RoomNotFound => "ROOM_NOT_FOUND",
        ChatError::RoomCodeInvalid => "ROOM_CODE_INVALID",
        ChatError::TokenInvalid => "TOKEN_INVALID",
        ChatError::UserUnknown => "USER_UNKNOWN",
        ChatError::Refused(violation) => return refusal(violation),
        ChatError::RoomFull => "ROOM_FULL",
        ChatError::Conflict => "CONFLICT",
        ChatError::RateLimited { retry_after, .. } => {
            let millis = retry_after.as_nanos().div_ceil(1_000_000);
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            return with_code(error, "RATE_LIMITED")
                .extend_with(|_, extensions| extensions.set("retryAfterMs", millis));
        }
        ChatError::Unavailable(source) => {
            tracing::warn!(error = source.as_ref() as &dyn std::error::Error, "the store is unavailable");
            "UNAVAILABLE"
        }
        ChatError::Internal(source) => {
            tracing::error!(error = source.as_ref() as &dyn std::error::Error, "a request failed on our side");
            "INTERNAL"
        }
    };
    with_code(error, code)
}

/// The error of a rule that input did not keep.
pub(super) fn refusal(violation: &Violation) -> Error {
    match violation {
        Violation::Invalid { field, .. } => {
            with_code(violation, "VALIDATION_FAILED").extend_with(|_, extensions| extensions.set("field", field.name()))
        }
        Violation::MessageNotFound => with_code(violation, "MESSAGE_NOT_FOUND"),
        Violation::NotAuthor => with_code(violation, "NOT_AUTHOR"),
        Violation::CursorInvalid => with_code(violation, "CURSOR_INVALID"),
    }
}

/// The error of a query that must not come by this HTTP method.
pub(super) fn not_over_get() -> Error {
    with_code("this field creates something; ask for it with POST", "METHOD_NOT_ALLOWED")
}

fn with_code(message: impl ToString, code: &str) -> Error {
    Error::new(message.to_string()).extend_with(|_, extensions| extensions.set("code", code))
}
