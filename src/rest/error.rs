//! Error responses of the legacy routes: status and message of each error. The messages, misspellings included, are part of the
//! legacy contract.
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
use crate::rest::{ErrorStatus, Settings};

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

/// The values of a request that its error response depends on.
#[derive(Clone, Copy, Default)]
pub(super) struct ErrorContext<'a> {
    pub(super) room_id: &'a str,
    pub(super) user_id: &'a str,
}

/// Converts an error of the service into a response.
pub(super) fn error_response(error: &ChatError, context: ErrorContext<'_>, settings: Settings) -> Response {
    let mut response = convert(error, context, settings);
    response.extensions_mut().insert(ReportedError(error.code()));
    response
}

fn convert(error: &ChatError, context: ErrorContext<'_>, settings: Settings) -> Response {
    if let Some(cause) = error.fault() {
        tracing::error!(error = cause, "a legacy request failed");
    }
    let client_error = |status, message| settings.client_error(status, Envelope::error(status.as_u16(), message));
    match error {
        ChatError::RoomNotFound => settings.room_not_found(context),
        ChatError::RoomCodeInvalid => client_error(StatusCode::FORBIDDEN, WRONG_CODE),
        ChatError::TokenInvalid => client_error(StatusCode::FORBIDDEN, BAD_TOKEN),
        ChatError::UserUnknown => client_error(StatusCode::FORBIDDEN, FORBIDDEN),
        ChatError::Refused(violation) => settings.violation(violation, context),
        ChatError::RoomFull | ChatError::EditLimit => {
            client_error(StatusCode::INSUFFICIENT_STORAGE, &error.to_string())
        }
        ChatError::Conflict => client_error(StatusCode::CONFLICT, &error.to_string()),
        ChatError::RateLimited { retry_after, .. } => {
            // Rounded up, so that a client that waits as told is not too early.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            let response = client_error(StatusCode::TOO_MANY_REQUESTS, &error.to_string());
            ([(header::RETRY_AFTER, seconds.to_string())], response).into_response()
        }
        ChatError::Unavailable(_) => server_error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        ChatError::Internal(_) => server_error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The response to a request that a page of another site embeds.
pub(super) fn cross_site(settings: Settings) -> Response {
    let status = StatusCode::FORBIDDEN;
    let mut response = settings.client_error(status, Envelope::error(status.as_u16(), EMBEDDED));
    response.extensions_mut().insert(ReportedError(ErrorCode::CrossSite));
    response
}

/// The response to a long read that exceeds a limit.
pub(super) fn too_many_reads(exceeded: Exceeded, settings: Settings) -> Response {
    let (code, mut response) = match exceeded {
        Exceeded::PerClient => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            (ErrorCode::RateLimited, settings.client_error(status, Envelope::error(status.as_u16(), TOO_MANY_READS)))
        }
        Exceeded::Total => (ErrorCode::Overloaded, server_error(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED)),
    };
    response.headers_mut().insert(header::RETRY_AFTER, READ_RETRY_AFTER);
    response.extensions_mut().insert(ReportedError(code));
    response
}

impl Settings {
    fn violation(self, violation: &Violation, context: ErrorContext<'_>) -> Response {
        match violation {
            Violation::Invalid { field, problem } => self.invalid(*field, problem, context),
            Violation::MessageNotFound => {
                let unavailable = StatusCode::SERVICE_UNAVAILABLE.as_u16();
                self.client_error(StatusCode::NOT_FOUND, Envelope::error(unavailable, NO_SUCH_MESSAGE))
            }
            Violation::NotAuthor => {
                self.client_error(StatusCode::FORBIDDEN, Envelope::error(StatusCode::FORBIDDEN.as_u16(), FORBIDDEN))
            }
            // Clients of these routes send no cursors, so the cursor was our own.
            Violation::CursorInvalid => {
                server_error(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
            }
        }
    }

    fn invalid(self, field: Field, problem: &str, context: ErrorContext<'_>) -> Response {
        let name = match field {
            Field::RoomId => return self.room_not_found(context),
            Field::UserId if context.user_id.chars().count() < USER_ID_MIN => {
                let forbidden = StatusCode::FORBIDDEN;
                return self.client_error(forbidden, Envelope::error(forbidden.as_u16(), SHORT_USER_ID));
            }
            Field::UserId => "user_id",
            Field::DisplayName => "display_name",
            Field::Text => "message",
            Field::MessageId => "message_id",
            // These routes do not have these fields.
            Field::ClientMessageId => "client_message_id",
            Field::First => "first",
            Field::Last => "last",
        };
        detail::list_response(&[detail::violation(name, format!("{name} {problem}"))])
    }

    fn room_not_found(self, context: ErrorContext<'_>) -> Response {
        let status = StatusCode::NOT_FOUND;
        self.client_error(status, Envelope::error(status.as_u16(), NO_SUCH_ROOM).with_room(context.room_id))
    }

    fn client_error(self, status: StatusCode, envelope: Envelope<'_, Nothing>) -> Response {
        let status = match self.error_status {
            ErrorStatus::Meaningful => status,
            ErrorStatus::AlwaysOk => StatusCode::OK,
        };
        (status, envelope).into_response()
    }
}

fn server_error(status: StatusCode, message: &str) -> Response {
    (status, Envelope::error(status.as_u16(), message)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn respond(error: ChatError, error_status: ErrorStatus) -> (u16, String) {
        let settings = Settings { error_status, max_reads_per_client: 1, max_reads: 1, read_timeout: Duration::MAX };
        let response = error_response(&error, ErrorContext::default(), settings);
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("a short body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn server_error_keeps_its_status_and_hides_its_cause() {
        for error_status in [ErrorStatus::Meaningful, ErrorStatus::AlwaysOk] {
            let (status, body) = respond(ChatError::Unavailable("secret host".into()), error_status).await;
            let message = "the service is unavailable for the moment; try again";
            assert_eq!((status, body), (503, format!(r#"{{"status_code":503,"message":"{message}","data":null}}"#)));
            let (status, body) = respond(ChatError::Internal("secret row".into()), error_status).await;
            let message = "something went wrong on our side";
            assert_eq!((status, body), (500, format!(r#"{{"status_code":500,"message":"{message}","data":null}}"#)));
        }
    }

    #[tokio::test]
    async fn message_that_keeps_changing_is_a_conflict() {
        let (status, body) = respond(ChatError::Conflict, ErrorStatus::Meaningful).await;
        assert!(status == 409 && body.starts_with(r#"{"status_code":409,"#), "{body}");
    }
}
