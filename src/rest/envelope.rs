//! The first response format: the envelope around data and errors of the service.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema, schema};
use utoipa::{PartialSchema, ToSchema};

const SUCCESSFUL: &str = "sucessful";

/// The result of a request.
// The fields have the order of the original.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope<'a, T> {
    /// 200, or an error: the same as the HTTP status, except 503 for a message that does not exist.
    pub(super) status_code: u16,
    /// The result in words, with the misspellings of the original.
    pub(super) message: &'a str,
    #[schema(value_type = T)]
    pub(super) data: Option<T>,
    /// The room that was created, read, or not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) room: Option<&'a str>,
}

impl<T> Envelope<'static, T> {
    /// A successful result.
    pub(super) const fn success(data: T) -> Self {
        Self { status_code: 200, message: SUCCESSFUL, data: Some(data), room: None }
    }
}

/// The data of an error: `null`.
#[derive(Serialize)]
pub(super) enum Nothing {}

impl PartialSchema for Nothing {
    fn schema() -> RefOr<Schema> {
        schema::ObjectBuilder::new().schema_type(schema::Type::Null).into()
    }
}

impl ToSchema for Nothing {}

impl<'a> Envelope<'a, Nothing> {
    /// An error.
    pub(super) const fn error(status_code: u16, message: &'a str) -> Self {
        Self { status_code, message, data: None, room: None }
    }
}

impl<T: Serialize> IntoResponse for Envelope<'_, T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
