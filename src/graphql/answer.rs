//! The answer to a query, a mutation or a refused subscription: how it is written, and whether it failed before anything
//! was executed, which transports tell apart.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};
use serde::Serialize;

use crate::graphql::document::Refusal;

/// A GraphQL response.
#[derive(Debug)]
pub struct Answer {
    /// Boxed, because answers are rare where events are many.
    response: Box<Response>,
    failure: Option<Failure>,
}

/// Why nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is wrong, or a subscription was refused.
    Request,
    /// A mutation came by GET.
    Method,
    /// Too much is under way already, or it took too long.
    Overload,
    /// It could not be answered, for a reason of ours.
    Fault,
}

#[derive(Serialize)]
struct WithoutData<'a> {
    errors: &'a [ServerError],
}

impl Answer {
    pub(super) fn mutation_over_get() -> Self {
        Self::failed(
            Failure::Method,
            "METHOD_NOT_ALLOWED",
            "only queries and subscriptions can be asked with GET; use POST",
        )
    }

    pub(super) fn overloaded() -> Self {
        Self::failed(Failure::Overload, "OVERLOADED", "the server has too much to do right now; try again")
    }

    pub(super) fn timed_out() -> Self {
        Self::failed(Failure::Overload, "TIMEOUT", "this took too long; what it changes may still come to pass")
    }

    /// A request that went wrong on our side, which the log tells of.
    pub(super) fn fault() -> Self {
        Self::failed(Failure::Fault, "INTERNAL", "something went wrong on our side")
    }

    /// A document, or its variables, beyond a limit.
    pub(super) fn refused_document(refusal: &Refusal) -> Self {
        let mut answer = Self::failed(Failure::Request, refusal.code(), refusal.to_string());
        if let (Some(place), Some(error)) = (refusal.position(), answer.response.errors.first_mut()) {
            error.locations.push(place);
        }
        answer
    }

    /// A request that is not taken, and why.
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::failed(Failure::Request, code, message)
    }

    /// A subscription whose first answer was not an event.
    pub(super) fn refused_subscription(response: Response) -> Self {
        Self { failure: Some(Failure::Request), response: Box::new(response) }
    }

    fn failed(failure: Failure, code: &str, message: impl Into<String>) -> Self {
        let mut error = ServerError::new(message.into(), None);
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
        Self { response: Box::new(Response::from_errors(vec![error])), failure: Some(failure) }
    }

    /// Why nothing was executed, if nothing was.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The code of its first error; empty for an error without one.
    pub(super) fn code(&self) -> Option<&str> {
        self.response.errors.first().map(|error| code_of(error).unwrap_or_default())
    }

    /// Whether the same request may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        let passes = |error: &ServerError| {
            let code = code_of(error);
            ["UNAVAILABLE", "RATE_LIMITED"].iter().any(|passing| code == Some(passing))
        };
        self.failure == Some(Failure::Overload) || self.response.errors.iter().any(passes)
    }

    /// The response in JSON. One of a request that was never executed has no `data`.
    pub fn to_json(&self) -> String {
        match self.failure {
            Some(_) => json(&WithoutData { errors: &self.response.errors }),
            None => json(&self.response),
        }
    }

    /// The errors alone, as a JSON list.
    pub fn errors_to_json(&self) -> String {
        json(&self.response.errors)
    }
}

impl From<Response> for Answer {
    /// An error that happened at a field has a path; an error without one came before the execution.
    fn from(response: Response) -> Self {
        let never_executed = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
        Self { failure: never_executed.then_some(Failure::Request), response: Box::new(response) }
    }
}

fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// A response holds nothing that cannot be written as JSON; should it ever, the client gets an error.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written");
        let mut internal = ServerError::new("something went wrong on our side", Some(Pos::default()));
        internal.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", "INTERNAL");
        serde_json::to_string(&WithoutData { errors: &[internal] }).unwrap_or_default()
    })
}
