//! The second form of answer: `{"detail": …}`, for what is wrong before any room is asked. Nothing of the request is
//! repeated in it, because requests carry tokens and room codes.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema, schema};
use utoipa::{PartialSchema, ToSchema};

/// What is wrong with a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained<T> {
    detail: T,
}

/// An answer with a sentence.
pub(super) fn plain(status: StatusCode, sentence: &str) -> Response {
    (status, Json(Explained { detail: sentence })).into_response()
}

/// The answer that lists what is wrong with a body.
pub(super) fn list(details: &[Detail]) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(Explained { detail: details })).into_response()
}

/// One thing that is wrong with a body.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Detail {
    /// A name of the problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    kind: &'static str,
    loc: Place,
    /// The problem, for people.
    #[schema(value_type = str, example = "Field required")]
    msg: Cow<'static, str>,
}

/// Where in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Whole,
    Field(&'static str),
    /// Counted in characters from 0.
    Offset(usize),
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole => ("body",).serialize(serializer),
            Self::Field(name) => ("body", name).serialize(serializer),
            Self::Offset(offset) => ("body", offset).serialize(serializer),
        }
    }
}

impl PartialSchema for Place {
    fn schema() -> RefOr<Schema> {
        let body = schema::ObjectBuilder::new().schema_type(schema::Type::String).enum_values(Some(["body"]));
        let field = schema::SchemaType::from_iter([schema::Type::String, schema::Type::Integer]);
        let field = schema::ObjectBuilder::new().schema_type(field).build();
        // Nothing may follow the two; linters want `items` to be a schema all the same.
        schema::ArrayBuilder::new()
            .items(RefOr::T(Schema::Object(field.clone())))
            .prefix_items([body.build(), field].map(Schema::Object))
            .min_items(Some(1))
            .max_items(Some(2))
            .description(Some("`body`, and in it the name of a field, or a place counted in characters from 0."))
            .examples([serde_json::json!(["body", "room_code"])])
            .into()
    }
}

impl ToSchema for Place {}

/// What can be wrong with a value, wherever it stands; written as the original wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Missing,
    NotJson,
    NotObject,
    NotString,
    NotText,
    NotInteger,
    NotIntegerText,
    Fraction,
}

impl Problem {
    /// This problem, found at `place`.
    pub(super) fn at(self, place: Place) -> Detail {
        let (kind, msg) = match self {
            Self::Missing => ("missing", "Field required"),
            Self::NotJson => ("json_invalid", "JSON decode error"),
            Self::NotObject => {
                ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
            }
            Self::NotString => ("string_type", "Input should be a valid string"),
            Self::NotText => ("value_error", "must be text, without half surrogate pairs"),
            Self::NotInteger => ("int_type", "Input should be a valid integer"),
            Self::NotIntegerText => {
                ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
            }
            Self::Fraction => {
                ("int_from_float", "Input should be a valid integer, got a number with a fractional part")
            }
        };
        Detail { kind, loc: place, msg: msg.into() }
    }
}

/// A value of `field` that a rule refused.
pub(super) fn refused(field: &'static str, sentence: String) -> Detail {
    Detail { kind: "value_error", loc: Place::Field(field), msg: sentence.into() }
}
