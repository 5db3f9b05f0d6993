//! The first form of answer: the envelope around everything a room has to say.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema, schema};
use utoipa::{PartialSchema, ToSchema};

const SUCCESSFUL: &str = "sucessful";

/// What a room has to say, in words and as data.
// Keys in the order in which the original wrote them.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope<'a, T> {
    /// 200, or what is wrong: as the HTTP status says it, except 503 for a message that is not there.
    status_code: u16,
    /// How it went, in the words of the original, misspellings included.
    message: &'a str,
    #[schema(value_type = T)]
    data: Option<T>,
    /// The room that was made, read, or not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    room: Option<&'a str>,
}

impl<T> Envelope<'static, T> {
    /// Says that it worked.
    pub(super) const fn with(data: T) -> Self {
        Self { status_code: 200, message: SUCCESSFUL, data: Some(data), room: None }
    }
}

/// The data of a refusal: `null`.
#[derive(Serialize)]
pub(super) enum Nothing {}

impl PartialSchema for Nothing {
    fn schema() -> RefOr<Schema> {
        schema::ObjectBuilder::new().schema_type(schema::Type::Null).into()
    }
}

impl ToSchema for Nothing {}

impl<'a> Envelope<'a, Nothing> {
    /// Says why it did not.
    pub(super) const fn refusal(status_code: u16, message: &'a str) -> Self {
        Self { status_code, message, data: None, room: None }
    }
}

impl<'a, T> Envelope<'a, T> {
    /// Replaces what it says.
    pub(super) fn saying<'b>(self, message: &'b str) -> Envelope<'b, T>
    where
        'a: 'b,
    {
        Envelope { message, ..self }
    }

    /// Names the room it speaks about.
    pub(super) fn about<'b>(self, room: &'b str) -> Envelope<'b, T>
    where
        'a: 'b,
    {
        Envelope { room: Some(room), ..self }
    }
}

impl<T: Serialize> IntoResponse for Envelope<'_, T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
