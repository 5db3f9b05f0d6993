//! Extractor for JSON bodies that accepts what the original accepted.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::rest::detail::{self, Detail, Location, Problem};
use crate::rest::encoding::decode;
use crate::rest::fields::{Fields, FromFields};
use crate::rest::json::{self, Document, JsonError};

/// A body with the fields of `F`.
pub(super) struct Body<F>(pub(super) F);

/// Why a body was rejected.
#[derive(Debug)]
pub(super) enum BodyError {
    TooLarge,
    /// The connection failed, the bytes are not text, or the JSON is nested too deep.
    Malformed,
    Invalid(Vec<Detail>),
}

impl<F: FromFields, S: Send + Sync> FromRequest<S> for Body<F> {
    type Rejection = BodyError;

    async fn from_request(request: Request, state: &S) -> Result<Self, BodyError> {
        let is_json = has_json_type(request.headers());
        let bytes = Bytes::from_request(request, state).await?;
        if bytes.is_empty() {
            return Err(Problem::Missing.at(Location::Body).into());
        }
        if !is_json {
            return Err(Problem::NotObject.at(Location::Body).into());
        }
        parse(&bytes).map(Self)
    }
}

/// Whether the content type is JSON or missing.
fn has_json_type(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.ends_with("+json") && !subtype.contains('/'),
        None => value.is_empty(),
    }
}

fn parse<F: FromFields>(bytes: &[u8]) -> Result<F, BodyError> {
    let text = decode(bytes).ok_or(BodyError::Malformed)?;
    match json::parse(&text) {
        Ok(Document::Object(fields)) => Fields::parse(fields).map_err(BodyError::Invalid),
        Ok(Document::Null) => Err(Problem::Missing.at(Location::Body).into()),
        Ok(Document::Other) => Err(Problem::NotObject.at(Location::Body).into()),
        Err(JsonError::Syntax(offset)) => Err(Problem::NotJson.at(Location::Offset(offset)).into()),
        Err(JsonError::NestedTooDeep) => Err(BodyError::Malformed),
    }
}

impl From<Detail> for BodyError {
    fn from(detail: Detail) -> Self {
        Self::Invalid(vec![detail])
    }
}

impl From<BytesRejection> for BodyError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => Self::TooLarge,
            _ => Self::Malformed,
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge => detail::text_response(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Malformed => detail::text_response(StatusCode::BAD_REQUEST, "There was an error parsing the body"),
            Self::Invalid(details) => detail::list_response(&details),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Anything;

    impl FromFields for Anything {
        fn from_fields(_: &mut Fields<'_>) -> Self {
            Self
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_cause_no_panic(bytes: Vec<u8>, text: String) {
            let _ = parse::<Anything>(&bytes);
            let _ = parse::<Anything>(text.as_bytes());
        }
    }
}
