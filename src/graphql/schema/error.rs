//! Converts a [`ChatError`] to a GraphQL error: message, `extensions.code`, and the details a client needs to act on it.

use async_graphql::{Error, ErrorExtensions as _};

use crate::chat::ChatError;
use crate::domain::violation::{Field, Violation};
use crate::error_code::ErrorCode;
use crate::graphql::schema::types::DateTime;

/// The extension that tells how many milliseconds to wait.
pub(in crate::graphql) const RETRY_AFTER: &str = "retryAfterMs";

/// The error as clients see it. Errors that clients do not cause are logged here, once, with their source.
pub(in crate::graphql) fn chat_error(error: ChatError) -> Error {
    // Do not reveal whether a user exists.
    let error = if matches!(error, ChatError::UserUnknown) { ChatError::TokenInvalid } else { error };
    let shown = with_code(&error, error.code());
    match &error {
        ChatError::Refused(Violation::Invalid { field, problem }) => {
            let name = field_name(*field);
            return with_code(format_args!("{name} {problem}"), error.code())
                .extend_with(|_, extensions| extensions.set("field", name));
        }
        ChatError::RateLimited { retry_after, .. } | ChatError::SlowMode { retry_after } => {
            let millis = retry_after.as_nanos().div_ceil(1_000_000);
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            return shown.extend_with(|_, extensions| extensions.set(RETRY_AFTER, millis));
        }
        ChatError::UserBanned { until } => {
            let until = until.map(|until| DateTime(until).to_string());
            return shown.extend_with(|_, extensions| extensions.set("until", until));
        }
        ChatError::Unavailable(_) => tracing::warn!(error = error.fault(), "the store is unavailable"),
        ChatError::Internal(_) => {
            tracing::error!(error = error.fault(), "a request failed because of an internal error")
        }
        ChatError::RoomNotFound
        | ChatError::RoomCodeInvalid
        | ChatError::TokenInvalid
        | ChatError::UserUnknown
        | ChatError::Refused(_)
        | ChatError::Identity(_)
        | ChatError::OwnerTokenInvalid
        | ChatError::PresenceTokenInvalid
        | ChatError::RoomLocked
        | ChatError::RoomAtCapacity
        | ChatError::RoomFull
        | ChatError::EditLimit
        | ChatError::ReactionsFull
        | ChatError::ReactionLimit
        | ChatError::Conflict => {}
    }
    shown
}

/// The name of an input in the schema.
const fn field_name(field: Field) -> &'static str {
    match field {
        Field::RoomId => "roomId",
        Field::UserId => "userId",
        Field::DisplayName => "displayName",
        Field::Text => "text",
        Field::ClientMessageId => "clientMessageId",
        Field::MessageId => "messageId",
        Field::First => "first",
        Field::Last => "last",
        Field::Title => "title",
        Field::Capacity => "capacity",
        Field::SlowModeSeconds => "slowModeSeconds",
        Field::Listed => "listed",
        Field::Locked => "locked",
        Field::Seconds => "seconds",
        Field::Reason => "reason",
        Field::Emoji => "emoji",
        Field::ReplyToId => "replyToId",
    }
}

/// The error of input that violates a rule.
pub(in crate::graphql) fn violation_error(violation: &Violation) -> Error {
    chat_error(violation.clone().into())
}

/// The error of a query that changes something and came by HTTP GET.
pub(in crate::graphql) fn not_over_get() -> Error {
    with_code("this field creates something; send the request with POST", ErrorCode::MethodNotAllowed)
}

fn with_code(message: impl ToString, code: ErrorCode) -> Error {
    Error::new(message.to_string()).extend_with(|_, extensions| extensions.set("code", code.as_str()))
}
