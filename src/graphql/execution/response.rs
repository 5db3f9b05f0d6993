//! The answer to a query, a mutation or a refused subscription: how it is written, and whether it failed before anything
//! was executed, which transports tell apart.

use std::borrow::Cow;
use std::fmt;

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};
use axum::body::Bytes;
use serde::Serialize;

use crate::chat::ChatError;
use crate::graphql::execution::document::Refusal;
use crate::graphql::execution::persisted_queries::Problem;
use crate::graphql::execution::response_budget::{OverBudget, ResponseBudget, Sized};
use crate::graphql::schema::error::chat_error;
use crate::unsent_bytes::counted;

/// A GraphQL response.
#[derive(Debug)]
pub struct Answer {
    content: Content,
    failure: Option<Failure>,
}

#[derive(Debug)]
enum Content {
    /// Boxed, because answers are rare where events are many.
    Response(Box<Response>),
    /// JSON, of a request that was executed.
    Written(Written),
}

/// Hides what it says: answers hold codes, tokens and texts.
struct Written {
    text: Sized,
    /// The code of the first error, if there is an error.
    code: Option<String>,
    is_temporary: bool,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({} bytes)", self.text.json.len())
    }
}

/// Why nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is wrong, or a subscription was refused.
    Request,
    /// A mutation came by GET.
    Method,
    /// It named a document that is not kept here; the client sends it along then.
    NotPersisted,
    /// Too much is under way already, or it took too long.
    Overload,
    /// The client has asked for too much of late.
    RateLimit,
    /// It could not be answered, for a reason of ours.
    Fault,
}

#[derive(Serialize)]
struct WithoutData<'a> {
    errors: &'a [ServerError],
}

impl Answer {
    pub(in crate::graphql) fn mutation_over_get() -> Self {
        Self::failed(
            Failure::Method,
            "METHOD_NOT_ALLOWED",
            "only queries and subscriptions can be asked with GET; use POST",
        )
    }

    pub(in crate::graphql) fn overloaded() -> Self {
        Self::failed(Failure::Overload, "OVERLOADED", "the server has too much to do right now; try again")
    }

    /// A request that is refused before it is executed, because too much came before it.
    pub(in crate::graphql) fn rate_limited(error: ChatError) -> Self {
        let mut error = chat_error(error).into_server_error(Pos::default());
        // It is not about any place in the document.
        error.locations.clear();
        Self::of_error(Failure::RateLimit, error)
    }

    pub(in crate::graphql) fn timed_out() -> Self {
        Self::failed(Failure::Overload, "TIMEOUT", "this took too long; what it changes may still come to pass")
    }

    /// A request that went wrong on our side, which the log tells of.
    pub(in crate::graphql) fn fault() -> Self {
        Self::failed(Failure::Fault, "INTERNAL", "something went wrong on our side")
    }

    /// A document, or its variables, beyond a limit.
    pub(in crate::graphql) fn refused_document(refusal: &Refusal) -> Self {
        let mut error = error_of(refusal.code(), refusal.to_string());
        error.locations.extend(refusal.position());
        Self::of_error(Failure::Request, error)
    }

    /// A request that is not taken, and why.
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::failed(Failure::Request, code, message)
    }

    /// A request that is not taken because of one of its fields.
    pub(in crate::graphql) fn refused_field(code: &str, field: &str, message: String) -> Self {
        let mut error = error_of(code, message);
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("field", field);
        Self::of_error(Failure::Request, error)
    }

    /// A request whose persisted query could not be had. The messages are those that clients look for.
    pub(in crate::graphql) fn not_persisted(problem: Problem) -> Self {
        match problem {
            Problem::NotFound => {
                Self::failed(Failure::NotPersisted, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
            }
            Problem::NotSupported => {
                Self::failed(Failure::NotPersisted, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
            }
            Problem::Invalid(sentence) => Self::refused("PERSISTED_QUERY_INVALID", sentence),
        }
    }

    /// A subscription whose first answer was not an event.
    pub(in crate::graphql) fn refused_subscription(response: Response) -> Self {
        Self { failure: Some(Failure::Request), content: Content::Response(Box::new(response)) }
    }

    /// What was executed without an error, in JSON.
    pub(in crate::graphql) fn written(text: Sized) -> Self {
        Self { failure: None, content: Content::Written(Written { text, code: None, is_temporary: false }) }
    }

    /// A response that is larger than it may be, or for which there is no room now.
    pub(in crate::graphql) fn over_budget(refusal: OverBudget) -> Self {
        match refusal {
            OverBudget::TooLarge { .. } | OverBudget::ResultTooLarge { .. } => {
                Self::refused("RESPONSE_TOO_LARGE", refusal.to_string())
            }
            OverBudget::Unsent => Self::failed(Failure::Overload, "OVERLOADED", refusal.to_string()),
        }
    }

    /// The response to what was executed, written within its budget.
    pub(in crate::graphql) fn executed(response: Response, budget: &ResponseBudget) -> Self {
        if let Some(refusal) = budget.refusal() {
            return Self::over_budget(refusal);
        }
        let answer = Self::from(response);
        let Content::Response(response) = &answer.content else { return answer };
        if answer.failure.is_some() {
            return answer;
        }
        let mut json = budget.json();
        if let Err(error) = serde_json::to_writer(&mut json, response)
            && !error.is_io()
        {
            tracing::error!(%error, "a response could not be written");
            return Self::fault();
        }
        match json.finish() {
            Ok(text) => {
                let (code, is_temporary) = (answer.code().map(str::to_owned), answer.is_temporary());
                Self { failure: None, content: Content::Written(Written { text, code, is_temporary }) }
            }
            Err(refusal) => Self::over_budget(refusal),
        }
    }

    fn failed(failure: Failure, code: &str, message: impl Into<String>) -> Self {
        Self::of_error(failure, error_of(code, message.into()))
    }

    fn of_error(failure: Failure, error: ServerError) -> Self {
        Self { content: Content::Response(Box::new(Response::from_errors(vec![error]))), failure: Some(failure) }
    }

    fn errors(&self) -> &[ServerError] {
        match &self.content {
            Content::Response(response) => &response.errors,
            Content::Written(_) => &[],
        }
    }

    /// Why nothing was executed, if nothing was.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The code of its first error; empty for an error without one.
    pub(in crate::graphql) fn code(&self) -> Option<&str> {
        if let Content::Written(written) = &self.content {
            return written.code.as_deref();
        }
        self.errors().first().map(|error| code_of(error).unwrap_or_default())
    }

    /// Whether the same request may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        let passes = |error: &ServerError| {
            let code = code_of(error);
            ["UNAVAILABLE", "RATE_LIMITED"].iter().any(|passing| code == Some(passing))
        };
        match &self.content {
            Content::Written(written) => written.is_temporary,
            Content::Response(_) => self.failure == Some(Failure::Overload) || self.errors().iter().any(passes),
        }
    }

    /// The response in JSON. One of a request that was never executed has no `data`.
    pub fn to_json(&self) -> Cow<'_, str> {
        match (&self.content, self.failure) {
            (Content::Written(written), _) => Cow::Borrowed(&written.text.json),
            (Content::Response(response), Some(_)) => json(&WithoutData { errors: &response.errors }).into(),
            (Content::Response(response), None) => json(response).into(),
        }
    }

    /// The same, of an answer that is not needed any more, counted for as long as it is there.
    pub(in crate::graphql) fn into_sized(self) -> Sized {
        match self.content {
            Content::Written(written) => written.text,
            Content::Response(_) => Sized { json: self.to_json().into_owned(), permit: None },
        }
    }

    /// The same, as the body of an HTTP response, which counts until it has been sent.
    pub(in crate::graphql) fn into_body(self) -> Bytes {
        let Sized { json, permit } = self.into_sized();
        counted(json, permit)
    }

    /// The errors alone, as a JSON list.
    pub fn errors_to_json(&self) -> String {
        json(&self.errors())
    }
}

impl From<Response> for Answer {
    /// An error that happened at a field has a path; an error without one came before the execution.
    fn from(response: Response) -> Self {
        let never_executed = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
        Self { failure: never_executed.then_some(Failure::Request), content: Content::Response(Box::new(response)) }
    }
}

fn error_of(code: &str, message: String) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
    error
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
        let mut internal = error_of("INTERNAL", "something went wrong on our side".to_owned());
        internal.locations.push(Pos::default());
        serde_json::to_string(&WithoutData { errors: &[internal] }).unwrap_or_default()
    })
}
