//! The second response format, `{"detail": …}`: errors found before the service sees the request. It never repeats parts of the
//! request, which may contain tokens and room codes.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema, schema};
use utoipa::{PartialSchema, ToSchema};

/// An error of the request.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained<T> {
    detail: T,
}

/// A response with a single message.
pub(super) fn text_response(status: StatusCode, message: &str) -> Response {
    (status, Json(Explained { detail: message })).into_response()
}

/// A response with status 422 that lists all problems of a body.
pub(super) fn list_response(details: &[Detail]) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(Explained { detail: details })).into_response()
}

/// One problem of a body.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Detail {
    /// The kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    kind: &'static str,
    loc: Location,
    /// The problem, for people.
    #[schema(value_type = str, example = "Field required")]
    msg: Cow<'static, str>,
}

/// The location of a problem in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Body,
    Field(&'static str),
    /// Counted in characters from 0.
    Offset(usize),
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Body => ("body",).serialize(serializer),
            Self::Field(name) => ("body", name).serialize(serializer),
            Self::Offset(offset) => ("body", offset).serialize(serializer),
        }
    }
}

impl PartialSchema for Location {
    fn schema() -> RefOr<Schema> {
        let body = schema::ObjectBuilder::new().schema_type(schema::Type::String).enum_values(Some(["body"]));
        let field = schema::SchemaType::from_iter([schema::Type::String, schema::Type::Integer]);
        let field = schema::ObjectBuilder::new().schema_type(field).build();
        // No items may follow these two, but linters require a schema in `items`.
        schema::ArrayBuilder::new()
            .items(RefOr::T(Schema::Object(field.clone())))
            .prefix_items([body.build(), field].map(Schema::Object))
            .min_items(Some(1))
            .max_items(Some(2))
            .description(Some("`body`, then the name of a field, or an offset in characters from 0."))
            .examples([serde_json::json!(["body", "room_code"])])
            .into()
    }
}

impl ToSchema for Location {
    fn name() -> Cow<'static, str> {
        "Place".into()
    }
}

/// What is wrong with a value. The texts are those of the original, except that for half surrogate pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Missing,
    NotJson,
    NotObject,
    NotString,
    HalfSurrogatePair,
    NotInteger,
    NotIntegerText,
    Fraction,
}

impl Problem {
    /// Reports this problem at `location`.
    pub(super) fn at(self, location: Location) -> Detail {
        let (kind, msg) = match self {
            Self::Missing => ("missing", "Field required"),
            Self::NotJson => ("json_invalid", "JSON decode error"),
            Self::NotObject => {
                ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
            }
            Self::NotString => ("string_type", "Input should be a valid string"),
            Self::HalfSurrogatePair => ("value_error", "must be text, without half surrogate pairs"),
            Self::NotInteger => ("int_type", "Input should be a valid integer"),
            Self::NotIntegerText => {
                ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
            }
            Self::Fraction => {
                ("int_from_float", "Input should be a valid integer, got a number with a fractional part")
            }
        };
        Detail { kind, loc: location, msg: msg.into() }
    }
}

/// Reports a value of `field` that violates a rule of the service.
pub(super) fn violation(field: &'static str, message: String) -> Detail {
    Detail { kind: "value_error", loc: Location::Field(field), msg: message.into() }
}
