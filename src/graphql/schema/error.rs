//! Where a [`ChatError`] becomes a GraphQL error: message, `extensions.code`, and what the client needs to act on it.

use async_graphql::{Error, ErrorExtensions as _};

use crate::chat::ChatError;
use crate::domain::violation::Violation;

/// The error as a client sees it. What is not the client's doing is logged here, once, with its cause.
pub(in crate::graphql) fn chat_error(error: ChatError) -> Error {
    // Whether there is such a user is nobody's business but that user's.
    let error = if matches!(error, ChatError::UserUnknown) { ChatError::TokenInvalid } else { error };
    let told = with_code(&error, error.code());
    match &error {
        ChatError::Refused(Violation::Invalid { field, .. }) => {
            told.extend_with(|_, extensions| extensions.set("field", field.name()))
        }
        ChatError::RateLimited { retry_after, .. } => {
            let millis = retry_after.as_nanos().div_ceil(1_000_000);
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            told.extend_with(|_, extensions| extensions.set("retryAfterMs", millis))
        }
        ChatError::Unavailable(source) => {
            tracing::warn!(error = source.as_ref() as &dyn std::error::Error, "the store is unavailable");
            told
        }
        ChatError::Internal(source) => {
            tracing::error!(error = source.as_ref() as &dyn std::error::Error, "a request failed on our side");
            told
        }
        ChatError::RoomNotFound
        | ChatError::RoomCodeInvalid
        | ChatError::TokenInvalid
        | ChatError::UserUnknown
        | ChatError::Refused(_)
        | ChatError::RoomFull
        | ChatError::EditLimit
        | ChatError::Conflict => told,
    }
}

/// The error of a rule that input did not keep.
pub(in crate::graphql) fn refusal(violation: &Violation) -> Error {
    chat_error(violation.clone().into())
}

/// The error of a query that must not come by this HTTP method.
pub(in crate::graphql) fn not_over_get() -> Error {
    with_code("this field creates something; ask for it with POST", "METHOD_NOT_ALLOWED")
}

fn with_code(message: impl ToString, code: &str) -> Error {
    Error::new(message.to_string()).extend_with(|_, extensions| extensions.set("code", code))
}
