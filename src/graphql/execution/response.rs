//! The answer to a query, a mutation or a refused subscription: its JSON, and whether it failed before anything was executed,
//! which decides how transports send it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, Response, ServerError, Value};
use axum::body::Bytes;
use serde::Serialize;

use crate::chat::ChatError;
use crate::error_code::ErrorCode;
use crate::graphql::execution::document::Rejection;
use crate::graphql::execution::limited_json::{CountedJson, LimitedJson};
use crate::graphql::execution::persisted_queries::Problem;
use crate::graphql::execution::validator::Invalid;
use crate::graphql::schema::error::{RETRY_AFTER, chat_error};
use crate::graphql::schema::response_budget::{BudgetExceeded, ResponseBudget};
use crate::unsent_bytes::with_permit;

/// A GraphQL response.
#[derive(Debug)]
pub struct Answer {
    content: Content,
    failure: Option<Failure>,
}

#[derive(Debug)]
enum Content {
    /// Boxed, because it is much larger than the other variant and rare.
    Response(Box<Response>),
    /// JSON of a request that was executed.
    Written(Written),
}

/// Hides its content in `Debug`: answers contain codes, tokens and texts.
struct Written {
    text: CountedJson,
    /// The code of the first error, if any.
    code: Option<ErrorCode>,
    is_temporary: bool,
    retry_after: Option<Duration>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({} bytes)", self.text.json.len())
    }
}

/// Why nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is invalid, or a subscription was refused.
    Request,
    /// A mutation came by GET.
    Method,
    /// The request has only the hash of a document that is not cached. The client repeats it with the document.
    NotPersisted,
    /// Too many requests run already, or this one took too long.
    Overload,
    /// The client has exceeded a rate limit.
    RateLimit,
    /// An internal error.
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
            ErrorCode::MethodNotAllowed,
            "only queries and subscriptions can be sent with GET; use POST",
        )
    }

    pub(in crate::graphql) fn overloaded() -> Self {
        Self::failed(Failure::Overload, ErrorCode::Overloaded, "the server is overloaded; try again")
    }

    /// A request beyond a rate limit.
    pub(in crate::graphql) fn rate_limited(error: ChatError) -> Self {
        let mut error = chat_error(error).into_server_error(Pos::default());
        // The error does not concern any location in the document.
        error.locations.clear();
        Self::of_error(Failure::RateLimit, error)
    }

    /// A document that is not among those that the operator has listed. The answer is the same for all of them.
    pub(in crate::graphql) fn not_trusted() -> Self {
        let message = "this server runs only documents that its operator has listed, and this is none of them";
        Self::refused(ErrorCode::DocumentNotTrusted, message)
    }

    pub(in crate::graphql) fn timed_out() -> Self {
        Self::failed(Failure::Overload, ErrorCode::Timeout, "the request took too long; its changes may still be made")
    }

    /// An internal error, which is logged elsewhere.
    pub(in crate::graphql) fn fault() -> Self {
        Self::failed(Failure::Fault, ErrorCode::Internal, "something went wrong on our side")
    }

    /// A request that is refused, and why.
    pub fn refused(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::failed(Failure::Request, code, message)
    }

    /// A request that is refused because of one of its fields.
    pub(in crate::graphql) fn refused_field(code: ErrorCode, field: &str, message: String) -> Self {
        let mut error = error_of(code, message);
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("field", field);
        Self::of_error(Failure::Request, error)
    }

    /// A request whose persisted query cannot be used. Clients match these messages.
    pub(in crate::graphql) fn not_persisted(problem: Problem) -> Self {
        match problem {
            Problem::NotFound => {
                Self::failed(Failure::NotPersisted, ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
            }
            Problem::NotSupported => {
                Self::failed(Failure::NotPersisted, ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported")
            }
            Problem::Invalid(message) => Self::refused(ErrorCode::PersistedQueryInvalid, message),
        }
    }

    /// A subscription that the service refuses to open. `position` and `response_key` are those of its root field.
    pub(in crate::graphql) fn refused_subscription(error: ChatError, position: Pos, response_key: &str) -> Self {
        Self::of_error(Failure::Request, field_error(error, position, response_key))
    }

    /// A failure at the only root field of an operation, as the schema would report it.
    pub(in crate::graphql) fn failed_field(error: ChatError, position: Pos, response_key: &str) -> Self {
        Self::from(Response::from_errors(vec![field_error(error, position, response_key)]))
    }

    /// A response without errors, serialized within its budget.
    pub(in crate::graphql) fn serialized(response: &impl Serialize, budget: &ResponseBudget) -> Self {
        let mut json = LimitedJson::new(budget);
        if let Err(error) = serde_json::to_writer(&mut json, response)
            && !error.is_io()
        {
            tracing::error!(%error, "cannot serialize a response");
            return Self::fault();
        }
        match json.finish() {
            Ok(text) => {
                let written = Written { text, code: None, is_temporary: false, retry_after: None };
                Self { failure: None, content: Content::Written(written) }
            }
            Err(exceeded) => Self::over_budget(exceeded),
        }
    }

    /// A response beyond its budget.
    pub(in crate::graphql) fn over_budget(exceeded: BudgetExceeded) -> Self {
        match exceeded {
            BudgetExceeded::TooLarge { .. } | BudgetExceeded::ResultTooLarge { .. } => {
                Self::refused(ErrorCode::ResponseTooLarge, exceeded.to_string())
            }
            BudgetExceeded::Unsent => Self::failed(Failure::Overload, ErrorCode::Overloaded, exceeded.to_string()),
        }
    }

    /// The response of an execution, serialized within its budget.
    pub(in crate::graphql) fn executed(response: Response, budget: &ResponseBudget) -> Self {
        if let Some(exceeded) = budget.exceeded() {
            return Self::over_budget(exceeded);
        }
        let answer = Self::from(response);
        let Content::Response(response) = &answer.content else { return answer };
        if answer.failure.is_some() {
            return answer;
        }
        let mut serialized = Self::serialized(response, budget);
        if let Content::Written(written) = &mut serialized.content {
            (written.code, written.is_temporary) = (answer.code(), answer.is_temporary());
            written.retry_after = answer.retry_after();
        }
        serialized
    }

    fn failed(failure: Failure, code: ErrorCode, message: impl Into<String>) -> Self {
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

    /// Why nothing was executed; `None` if the request was executed.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The code of the first error; `None` if there is no error.
    pub(in crate::graphql) fn code(&self) -> Option<ErrorCode> {
        if let Content::Written(written) = &self.content {
            return written.code;
        }
        // Every error has a code, so a missing one is a defect.
        self.errors().first().map(|error| code_of(error).unwrap_or(ErrorCode::Internal))
    }

    /// Whether the same request may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        match &self.content {
            Content::Written(written) => written.is_temporary,
            Content::Response(_) => {
                self.errors().iter().any(|error| code_of(error).is_some_and(ErrorCode::is_temporary))
            }
        }
    }

    /// How long the client is to wait after it has exceeded a limit.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.content {
            Content::Written(written) => written.retry_after,
            Content::Response(_) => self.errors().iter().filter_map(retry_after_of).max(),
        }
    }

    /// The response as JSON. It has no `data` if the request was not executed.
    pub fn to_json(&self) -> Cow<'_, str> {
        match (&self.content, self.failure) {
            (Content::Written(written), _) => Cow::Borrowed(&written.text.json),
            (Content::Response(response), Some(_)) => json(&WithoutData { errors: &response.errors }).into(),
            (Content::Response(response), None) => json(response).into(),
        }
    }

    /// The response as JSON, counted until it is dropped.
    pub(in crate::graphql) fn into_json(self) -> CountedJson {
        match self.content {
            Content::Written(written) => written.text,
            Content::Response(_) => CountedJson { json: self.to_json().into_owned(), permit: None },
        }
    }

    /// The body of an HTTP response, counted until it has been sent.
    pub(in crate::graphql) fn into_body(self) -> Bytes {
        let CountedJson { json, permit } = self.into_json();
        with_permit(json, permit)
    }

    /// The errors alone, as a JSON array.
    pub fn errors_to_json(&self) -> String {
        json(&self.errors())
    }
}

/// The answer to a document that is invalid or, with its variables, beyond a limit.
impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        let mut error = error_of(rejection.code(), rejection.to_string());
        error.locations.extend(rejection.position());
        Self::of_error(Failure::Request, error)
    }
}

impl From<Invalid> for Answer {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Value(rejection) => rejection.into(),
            Invalid::Document(errors) if errors.is_empty() => Self::fault(),
            Invalid::Document(errors) => Response::from_errors(errors).into(),
        }
    }
}

impl From<Response> for Answer {
    /// An error at a field has a path; an error without one precedes the execution.
    fn from(response: Response) -> Self {
        let never_executed = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
        Self { failure: never_executed.then_some(Failure::Request), content: Content::Response(Box::new(response)) }
    }
}

/// The error of the only root field of an operation.
fn field_error(error: ChatError, position: Pos, response_key: &str) -> ServerError {
    let error = chat_error(error).into_server_error(position);
    error.with_path(vec![PathSegment::Field(response_key.to_owned())])
}

fn error_of(code: ErrorCode, message: String) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code.as_str());
    error
}

fn code_of(error: &ServerError) -> Option<ErrorCode> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => ErrorCode::parse(code),
        _ => None,
    }
}

fn retry_after_of(error: &ServerError) -> Option<Duration> {
    match error.extensions.as_ref()?.get(RETRY_AFTER)? {
        Value::Number(millis) => millis.as_u64().map(Duration::from_millis),
        _ => None,
    }
}

/// Serializes a response. A failure would be a defect of the server, and the client would get an internal error.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot serialize a response");
        let mut internal = error_of(ErrorCode::Internal, "something went wrong on our side".to_owned());
        internal.locations.push(Pos::default());
        serde_json::to_string(&WithoutData { errors: &[internal] }).unwrap_or_default()
    })
}
