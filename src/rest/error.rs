//! What the service refuses, in the words of the legacy contract. Its misspellings are part of it.
//!
//! Three refusals the original did not know have a `status_code` of ours: 507 for a room or a message that takes no more,
//! 409 for a message that changes faster than it can be changed, 429 with `Retry-After` for what is done too often.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::chat::ChatError;
use crate::client_limit::Exceeded;
use crate::domain::limits::USER_ID_MIN;
use crate::domain::violation::{Field, Violation};
use crate::error_code::ErrorCode;
use crate::rest::detail;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::outcome::Code;
use crate::rest::{ErrorStatus, Settings};

const NO_SUCH_ROOM: &str = "this room does not exist";
const WRONG_CODE: &str = "the room code is invaild";
const SHORT_USER_ID: &str = "user_id length should be longer then 10";
const BAD_TOKEN: &str = "bad token";
const FORBIDDEN: &str = "request forbidden";
const NO_SUCH_MESSAGE: &str = "no such message";
const TOO_MANY_READS: &str = "too many rooms are read at once from this address; wait for an answer first";
const EMBEDDED: &str = "rooms are not made for images and links of other sites; ask with a script";
const OVERLOADED: &str = "too many rooms are read at once; try again";

/// Seconds after which a client may ask for a room again that was refused because too many were being sent.
const READ_AGAIN_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What of the request its refusal depends on.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) room_id: &'a str,
    pub(super) user_id: &'a str,
}

/// Translates an error of the service.
pub(super) fn answer(error: &ChatError, asked: Asked<'_>, settings: Settings) -> Response {
    let mut response = translate(error, asked, settings);
    response.extensions_mut().insert(Code(error.code()));
    response
}

fn translate(error: &ChatError, asked: Asked<'_>, settings: Settings) -> Response {
    if let Some(cause) = error.fault() {
        tracing::error!(error = cause, "a legacy request failed");
    }
    let business = |status, message| settings.refuse(status, Envelope::refusal(status.as_u16(), message));
    match error {
        ChatError::RoomNotFound => settings.no_such_room(asked),
        ChatError::RoomCodeInvalid => business(StatusCode::FORBIDDEN, WRONG_CODE),
        ChatError::TokenInvalid => business(StatusCode::FORBIDDEN, BAD_TOKEN),
        ChatError::UserUnknown => business(StatusCode::FORBIDDEN, FORBIDDEN),
        ChatError::Refused(violation) => settings.violated(violation, asked),
        ChatError::RoomFull | ChatError::EditLimit => business(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
        ChatError::Conflict => business(StatusCode::CONFLICT, &error.to_string()),
        ChatError::RateLimited { retry_after, .. } => {
            // Rounded up: whoever waits as told must not come too early.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            let refusal = business(StatusCode::TOO_MANY_REQUESTS, &error.to_string());
            ([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response()
        }
        ChatError::Unavailable(_) => fault(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        ChatError::Internal(_) => fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Refuses to make a room for a page of another site that only links here.
pub(super) fn embedded(settings: Settings) -> Response {
    let status = StatusCode::FORBIDDEN;
    let mut response = settings.refuse(status, Envelope::refusal(status.as_u16(), EMBEDDED));
    response.extensions_mut().insert(Code(ErrorCode::CrossSite));
    response
}

/// Refuses a room, or the list of rooms, because as many are being sent as may be.
pub(super) fn too_many_reads(exceeded: Exceeded, settings: Settings) -> Response {
    let (code, mut response) = match exceeded {
        Exceeded::PerClient => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            (ErrorCode::RateLimited, settings.refuse(status, Envelope::refusal(status.as_u16(), TOO_MANY_READS)))
        }
        Exceeded::Total => (ErrorCode::Overloaded, fault(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED)),
    };
    response.headers_mut().insert(header::RETRY_AFTER, READ_AGAIN_AFTER);
    response.extensions_mut().insert(Code(code));
    response
}

impl Settings {
    fn violated(self, violation: &Violation, asked: Asked<'_>) -> Response {
        match violation {
            Violation::Invalid { field, problem } => self.invalid(*field, problem, asked),
            Violation::MessageNotFound => {
                let unavailable = StatusCode::SERVICE_UNAVAILABLE.as_u16();
                self.refuse(StatusCode::NOT_FOUND, Envelope::refusal(unavailable, NO_SUCH_MESSAGE))
            }
            Violation::NotAuthor => {
                self.refuse(StatusCode::FORBIDDEN, Envelope::refusal(StatusCode::FORBIDDEN.as_u16(), FORBIDDEN))
            }
            // Callers of these routes have no cursors: the cursor was ours.
            Violation::CursorInvalid => fault(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side"),
        }
    }

    fn invalid(self, field: Field, problem: &str, asked: Asked<'_>) -> Response {
        let name = match field {
            Field::RoomId => return self.no_such_room(asked),
            Field::UserId if asked.user_id.chars().count() < USER_ID_MIN => {
                let forbidden = StatusCode::FORBIDDEN;
                return self.refuse(forbidden, Envelope::refusal(forbidden.as_u16(), SHORT_USER_ID));
            }
            Field::UserId => "user_id",
            Field::DisplayName => "display_name",
            Field::Text => "message",
            Field::MessageId => "message_id",
            // Not fields of these routes.
            Field::ClientMessageId => "client_message_id",
            Field::First => "first",
            Field::Last => "last",
        };
        detail::list(&[detail::refused(name, format!("{name} {problem}"))])
    }

    fn no_such_room(self, asked: Asked<'_>) -> Response {
        let status = StatusCode::NOT_FOUND;
        self.refuse(status, Envelope::refusal(status.as_u16(), NO_SUCH_ROOM).about(asked.room_id))
    }

    fn refuse(self, status: StatusCode, envelope: Envelope<'_, Nothing>) -> Response {
        let status = match self.error_status {
            ErrorStatus::Meaningful => status,
            ErrorStatus::AlwaysOk => StatusCode::OK,
        };
        (status, envelope).into_response()
    }
}

fn fault(status: StatusCode, message: &str) -> Response {
    (status, Envelope::refusal(status.as_u16(), message)).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn answered(error: ChatError, error_status: ErrorStatus) -> (u16, String) {
        let settings = Settings { error_status, max_reads_per_client: 1, max_reads: 1, read_timeout: Duration::MAX };
        let response = answer(&error, Asked::default(), settings);
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("a short body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_fault_is_told_without_its_cause_and_keeps_its_status() {
        for error_status in [ErrorStatus::Meaningful, ErrorStatus::AlwaysOk] {
            let (status, body) = answered(ChatError::Unavailable("secret host".into()), error_status).await;
            let message = "the service is unavailable for the moment; try again";
            assert_eq!((status, body), (503, format!(r#"{{"status_code":503,"message":"{message}","data":null}}"#)));
            let (status, body) = answered(ChatError::Internal("secret row".into()), error_status).await;
            let message = "something went wrong on our side";
            assert_eq!((status, body), (500, format!(r#"{{"status_code":500,"message":"{message}","data":null}}"#)));
        }
    }

    #[tokio::test]
    async fn a_message_that_keeps_changing_is_a_conflict() {
        let (status, body) = answered(ChatError::Conflict, ErrorStatus::Meaningful).await;
        assert!(status == 409 && body.starts_with(r#"{"status_code":409,"#), "{body}");
    }
}
