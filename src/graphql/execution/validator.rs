//! Has the schema validate documents.

use std::fmt;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, Response, ServerError, ValidationMode};
use futures_util::FutureExt as _;

use crate::graphql::execution::document::{Document, Rejection};
use crate::graphql::execution::schema_errors;
use crate::graphql::schema::{self, Schema};

/// The name of an operation that no document has, because it contains a space.
const NO_OPERATION: &str = "no operation";

/// Validates documents and executes nothing.
#[derive(Clone)]
pub(in crate::graphql) struct Validator(Schema);

/// Why a document is invalid.
pub(in crate::graphql) enum Invalid {
    Value(Rejection),
    /// As the schema reports it.
    Document(Vec<ServerError>),
}

impl Validator {
    /// Without introspection, errors have no suggestions.
    pub(in crate::graphql) fn new(introspection: bool) -> Self {
        let builder = schema::builder_without_data().validation_mode(ValidationMode::Strict);
        Self(schema::finish(builder, introspection))
    }

    /// Checks whether a document is valid, unless it is known to be.
    pub(in crate::graphql) fn validate(&self, document: &Document) -> Result<(), Invalid> {
        document.validate(|parsed| self.validate_parsed(parsed).map_err(Invalid::Document))
    }

    /// The schema validates before it looks for the operation, so it executes nothing when the request names an operation that no
    /// document can have.
    fn validate_parsed(&self, document: &ExecutableDocument) -> Result<(), Vec<ServerError>> {
        let mut request = Request::new("").operation_name(NO_OPERATION);
        request.set_parsed_query(document.clone());
        // Validation does not wait for anything.
        let response = Box::pin(self.0.execute(request)).now_or_never();
        let Response { mut errors, .. } = response.unwrap_or_default();
        match &errors[..] {
            [error] if error.message == format!("Unknown operation named \"{NO_OPERATION}\"") => Ok(()),
            _ => {
                schema_errors::set_codes(&mut errors);
                Err(errors)
            }
        }
    }
}

impl From<Rejection> for Invalid {
    fn from(rejection: Rejection) -> Self {
        Self::Value(rejection)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(rejection) => rejection.fmt(f),
            Self::Document(errors) => {
                let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
                f.write_str(&messages.join("; "))
            }
        }
    }
}
