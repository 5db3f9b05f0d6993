//! Error responses of the legacy routes: HTTP status and message of each error. The messages, misspellings included, are part of
//! the legacy contract.
//!
//! Three errors are new and have a `status_code` of our own: 507 for a room or message that is full, 409 for a message that keeps
//! changing while it is changed, and 429 with `Retry-After` for an exceeded rate limit.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::chat::ChatError;
use crate::client_limit::Exceeded;
use crate::domain::limits::USER_ID_MIN;
use crate::domain::violation::{Field, Violation};
use crate::error_code::ErrorCode;
use crate::rest::detail;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::metrics::ReportedError;

const NO_SUCH_ROOM: &str = "this room does not exist";
const WRONG_CODE: &str = "the room code is invaild";
const SHORT_USER_ID: &str = "user_id length should be longer then 10";
const BAD_TOKEN: &str = "bad token";
const FORBIDDEN: &str = "request forbidden";
const NO_SUCH_MESSAGE: &str = "no such message";
const TOO_MANY_READS: &str = "too many rooms are being read from this address; wait until one is complete";
const EMBEDDED: &str = "images and links of other sites cannot create rooms; use a script";
const OVERLOADED: &str = "too many rooms are being read; try again";

/// `Retry-After` of reads that exceed a limit, in seconds.
const READ_RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The HTTP status of responses whose envelope reports an error of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The `status_code` of the envelope, or 404 for a missing message: its 503 would make proxies repeat the request.
    #[default]
    Meaningful,
    /// 200, as in the original. Server errors keep their status.
    AlwaysOk,
}

/// The values of a request that its error response depends on.
#[derive(Clone, Copy, Default)]
pub(super) struct ErrorContext<'a> {
    pub(super) room_id: &'a str,
    pub(super) user_id: &'a str,
}

impl ErrorStatus {
    /// Converts an error of the service into a response.
    pub(super) fn error_response(self, error: &ChatError, context: ErrorContext<'_>) -> Response {
        if let Some(cause) = error.fault() {
            tracing::error!(error = cause, "a legacy request failed");
        }
        let text = error.to_string();
        let (status, message) = match error {
            ChatError::RoomNotFound | ChatError::Refused(Violation::Invalid { field: Field::RoomId, .. }) => {
                let status = StatusCode::NOT_FOUND;
                let envelope = Envelope::error(status.as_u16(), NO_SUCH_ROOM);
                return self.respond(error.code(), status, Envelope { room: Some(context.room_id), ..envelope });
            }
            ChatError::Refused(Violation::MessageNotFound) => {
                let envelope = Envelope::error(StatusCode::SERVICE_UNAVAILABLE.as_u16(), NO_SUCH_MESSAGE);
                return self.respond(error.code(), StatusCode::NOT_FOUND, envelope);
            }
            ChatError::RoomCodeInvalid => (StatusCode::FORBIDDEN, WRONG_CODE),
            ChatError::TokenInvalid => (StatusCode::FORBIDDEN, BAD_TOKEN),
            ChatError::UserUnknown | ChatError::Refused(Violation::NotAuthor) => (StatusCode::FORBIDDEN, FORBIDDEN),
            ChatError::Refused(Violation::Invalid { field: Field::UserId, .. })
                if context.user_id.chars().count() < USER_ID_MIN =>
            {
                (StatusCode::FORBIDDEN, SHORT_USER_ID)
            }
            ChatError::Refused(Violation::Invalid { field, problem }) => {
                return reporting(error.code(), invalid_field(*field, problem));
            }
            ChatError::UserBanned { .. }
            | ChatError::RoomLocked
            | ChatError::Identity(_)
            | ChatError::OwnerTokenInvalid
            | ChatError::PresenceTokenInvalid
            | ChatError::RoomAtCapacity => (StatusCode::FORBIDDEN, &*text),
            ChatError::RoomFull | ChatError::EditLimit | ChatError::ReactionsFull | ChatError::ReactionLimit => {
                (StatusCode::INSUFFICIENT_STORAGE, &*text)
            }
            ChatError::Conflict => (StatusCode::CONFLICT, &*text),
            ChatError::RateLimited { .. } | ChatError::SlowMode { .. } => (StatusCode::TOO_MANY_REQUESTS, &*text),
            ChatError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, &*text),
            // Clients of these routes send no cursors, so the cursor was our own.
            ChatError::Refused(Violation::CursorInvalid) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
            }
            ChatError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, &*text),
        };
        let mut response = self.respond(error.code(), status, Envelope::error(status.as_u16(), message));
        if let ChatError::RateLimited { retry_after, .. } | ChatError::SlowMode { retry_after } = error {
            // Round up, so that a client that waits this long is not too early.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The response to a request that a page of another site embeds.
    pub(super) fn cross_site(self) -> Response {
        let status = StatusCode::FORBIDDEN;
        self.respond(ErrorCode::CrossSite, status, Envelope::error(status.as_u16(), EMBEDDED))
    }

    /// The response to a long read that exceeds a limit.
    pub(super) fn too_many_reads(self, exceeded: Exceeded) -> Response {
        let (code, status, message) = match exceeded {
            Exceeded::PerClient => (ErrorCode::RateLimited, StatusCode::TOO_MANY_REQUESTS, TOO_MANY_READS),
            Exceeded::Total => (ErrorCode::Overloaded, StatusCode::SERVICE_UNAVAILABLE, OVERLOADED),
        };
        let mut response = self.respond(code, status, Envelope::error(status.as_u16(), message));
        response.headers_mut().insert(header::RETRY_AFTER, READ_RETRY_AFTER);
        response
    }

    fn respond(self, code: ErrorCode, status: StatusCode, envelope: Envelope<'_, Nothing>) -> Response {
        // 507 has the class of server errors, but reports that the room or message is full.
        let is_server_error = status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE;
        let status = match self {
            Self::AlwaysOk if !is_server_error => StatusCode::OK,
            Self::AlwaysOk | Self::Meaningful => status,
        };
        reporting(code, (status, envelope).into_response())
    }
}

/// Marks a response with the error that it reports.
fn reporting(code: ErrorCode, mut response: Response) -> Response {
    response.extensions_mut().insert(ReportedError(code));
    response
}

fn invalid_field(field: Field, problem: &str) -> Response {
    let name = match field {
        Field::RoomId => "room_id",
        Field::UserId => "user_id",
        Field::DisplayName => "display_name",
        Field::Text => "message",
        Field::MessageId => "message_id",
        // These routes do not have these fields.
        Field::ClientMessageId => "client_message_id",
        Field::First => "first",
        Field::Last => "last",
        Field::Title => "title",
        Field::Capacity => "capacity",
        Field::SlowModeSeconds => "slow_mode_seconds",
        Field::Listed => "listed",
        Field::Locked => "locked",
        Field::Seconds => "seconds",
        Field::Reason => "reason",
        Field::Emoji => "emoji",
        Field::ReplyToId => "reply_to_id",
    };
    detail::list_response(&[detail::violation(name, format!("{name} {problem}"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn server_error_keeps_its_status_and_hides_its_cause() {
        for error_status in [ErrorStatus::Meaningful, ErrorStatus::AlwaysOk] {
            for (error, status, message) in [
                (
                    ChatError::Unavailable("secret host".into()),
                    503,
                    "the service is unavailable for the moment; try again",
                ),
                (ChatError::Internal("secret row".into()), 500, "something went wrong on our side"),
            ] {
                let response = error_status.error_response(&error, ErrorContext::default());
                assert_eq!(response.status().as_u16(), status);
                let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("a short body");
                assert_eq!(body, format!(r#"{{"status_code":{status},"message":"{message}","data":null}}"#));
            }
        }
    }

    #[test]
    fn message_that_keeps_changing_is_a_conflict() {
        let response = ErrorStatus::Meaningful.error_response(&ChatError::Conflict, ErrorContext::default());
        assert_eq!(response.status(), StatusCode::CONFLICT);
    }
}
