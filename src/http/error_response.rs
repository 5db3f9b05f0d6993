//! How a request is refused before a wire sees it: in the way of GraphQL, as most requests are.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::error_code::ErrorCode;

/// An answer with one error of this code. The sentence is one of ours and needs no escaping.
pub(super) fn refuse(status: StatusCode, code: ErrorCode, sentence: &'static str) -> Response {
    let code = code.as_str();
    let body = format!(r#"{{"errors":[{{"message":"{sentence}","extensions":{{"code":"{code}"}}}}]}}"#);
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}
