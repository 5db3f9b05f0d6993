//! Error responses that no API writes. Except after a panic, they have the shape of a GraphQL error, as most requests are GraphQL.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error_code::ErrorCode;

/// Why a request does not reach an API, or gets no response from one.
#[derive(Clone, Copy)]
pub(super) enum ErrorResponse {
    OriginNotAllowed,
    EncodingUnsupported,
    RequestTimeout,
    /// The panic itself is in the log.
    Panicked,
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        match self {
            Self::OriginNotAllowed => {
                let message = "pages of this origin may not open WebSockets here";
                graphql_error(StatusCode::FORBIDDEN, ErrorCode::OriginNotAllowed, message)
            }
            Self::EncodingUnsupported => {
                let message = "send the request body as it is, without content-encoding";
                closing(graphql_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::EncodingUnsupported, message))
            }
            Self::RequestTimeout => {
                let message = "the request body did not arrive in time";
                closing(graphql_error(StatusCode::REQUEST_TIMEOUT, ErrorCode::RequestTimeout, message))
            }
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response(),
        }
    }
}

/// A response with one error. `message` must not need escaping in JSON.
fn graphql_error(status: StatusCode, code: ErrorCode, message: &'static str) -> Response {
    let code = code.as_str();
    let body = format!(r#"{{"errors":[{{"message":"{message}","extensions":{{"code":"{code}"}}}}]}}"#);
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// Closes the connection after `response`, because the rest of the request body is not read.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
