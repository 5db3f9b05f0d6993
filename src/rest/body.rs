//! Reading JSON bodies as the original did.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::rest::detail::{self, Detail, Place, Problem};
use crate::rest::encoding::decode;
use crate::rest::fields::{Fields, Form};
use crate::rest::json::{self, Document, Fault};

/// A body that has the fields of `F`.
pub(super) struct Body<F>(pub(super) F);

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    TooLarge,
    /// The connection broke, the bytes are no text, or too much is inside of each other.
    Broken,
    Invalid(Vec<Detail>),
}

impl<F: Form, S: Send + Sync> FromRequest<S> for Body<F> {
    type Rejection = Unreadable;

    async fn from_request(request: Request, state: &S) -> Result<Self, Unreadable> {
        let is_json = says_json(request.headers());
        let bytes = Bytes::from_request(request, state).await?;
        if bytes.is_empty() {
            return Err(Problem::Missing.at(Place::Whole).into());
        }
        if !is_json {
            return Err(Problem::NotObject.at(Place::Whole).into());
        }
        read(&bytes).map(Self)
    }
}

/// Whether the content type is one whose body is read as JSON; a body without any is.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.ends_with("+json") && !subtype.contains('/'),
        None => value.is_empty(),
    }
}

fn read<F: Form>(bytes: &[u8]) -> Result<F, Unreadable> {
    let text = decode(bytes).ok_or(Unreadable::Broken)?;
    match json::scan(&text) {
        Ok(Document::Object(fields)) => Fields::read(fields.into_iter().collect()).map_err(Unreadable::Invalid),
        Ok(Document::Null) => Err(Problem::Missing.at(Place::Whole).into()),
        Ok(Document::Other) => Err(Problem::NotObject.at(Place::Whole).into()),
        Err(Fault::Syntax(offset)) => Err(Problem::NotJson.at(Place::Offset(offset)).into()),
        Err(Fault::NestedTooDeep) => Err(Unreadable::Broken),
    }
}

impl From<Detail> for Unreadable {
    fn from(detail: Detail) -> Self {
        Self::Invalid(vec![detail])
    }
}

impl From<BytesRejection> for Unreadable {
    fn from(rejection: BytesRejection) -> Self {
        match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => Self::TooLarge,
            _ => Self::Broken,
        }
    }
}

impl IntoResponse for Unreadable {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge => detail::plain(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Broken => detail::plain(StatusCode::BAD_REQUEST, "There was an error parsing the body"),
            Self::Invalid(details) => detail::list(&details),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Anything;

    impl Form for Anything {
        fn read(_: &mut Fields<'_>) -> Self {
            Self
        }
    }

    fn problems(text: &str) -> Vec<Detail> {
        match read::<Anything>(text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(Unreadable::Invalid(problems)) => problems,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_syntax_error_is_placed_where_the_original_placed_it() {
        for (text, offset) in [
            (r#"{"room_id":"#, 11),
            ("{", 1),
            ("  ", 2),
            ("garbage", 0),
            (r#"{"a": ?}"#, 6),
            (r#"{"a" 1}"#, 5),
            (r#"{"a": 1,}"#, 8),
            ("{} x", 3),
            ("{\n \"a\": ?}", 8),
            ("{\n", 2),
            (r#"{"ä": ?}"#, 6),
        ] {
            assert_eq!(problems(text), [Problem::NotJson.at(Place::Offset(offset))], "{text:?}");
        }
    }

    #[test]
    fn a_body_without_fields_is_told_apart_from_one_that_is_no_object() {
        assert_eq!(problems(" null "), [Problem::Missing.at(Place::Whole)]);
        for text in ["[]", "1", r#""text""#, "true"] {
            assert_eq!(problems(text), [Problem::NotObject.at(Place::Whole)], "{text}");
        }
        assert_eq!(problems("{}"), []);
    }

    #[test]
    fn what_nobody_asks_for_may_hold_anything_json_can_say() {
        assert_eq!(
            problems(r#"{"extra": NaN, "more": [-Infinity, Infinity, {"deep": 123456789012345678901234567890}]}"#),
            []
        );
        assert_eq!(problems(r#"{"extra": "\ud800", "more": [{"deep": 1e999}]}"#), []);
    }

    #[test]
    fn nesting_without_end_is_refused() {
        for deep in ["[".repeat(60_000), "{\"a\":".repeat(10_000)] {
            assert!(matches!(read::<Anything>(deep.as_bytes()), Err(Unreadable::Broken)));
        }
    }

    #[test]
    fn json_is_read_under_its_own_types_and_without_any() {
        let says = |value: &'static str| {
            says_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, header::HeaderValue::from_static(value))]))
        };
        assert!(says_json(&HeaderMap::new()));
        for value in ["", "application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(says(value), "{value}");
        }
        for value in ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", "json"] {
            assert!(!says(value), "{value}");
        }
    }
}
