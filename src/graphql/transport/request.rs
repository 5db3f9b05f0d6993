//! Reading the parameters of a request from an HTTP body, a query string or the payload of a WebSocket message. Null means
//! absent everywhere, and so does an empty `operationName`.

use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::graphql::execution::operation::Parameters;
use crate::graphql::execution::response::Answer;
use crate::graphql::transport::cursors::{self, is_cursor};
use crate::graphql::transport::json_object::Object;
use crate::graphql::transport::surrogates::has_unpaired;

/// What is wrong with a request before GraphQL sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    NotJson,
    /// A GET that a page of another site could have had a browser make.
    CrossSite,
    /// A list of requests.
    Batch,
    Malformed(String),
    /// A parameter has half of a surrogate pair in it.
    UnpairedSurrogate(&'static str),
    /// A cursor that nobody was given.
    Cursor,
    TooLarge,
}

impl From<cursors::Invalid> for BadRequest {
    fn from(cursors::Invalid: cursors::Invalid) -> Self {
        Self::Cursor
    }
}

impl BadRequest {
    /// The HTTP status, and the code.
    pub(super) const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE"),
            Self::CrossSite => (StatusCode::BAD_REQUEST, "PREFLIGHT_REQUIRED"),
            Self::Batch => (StatusCode::BAD_REQUEST, "BATCH_NOT_SUPPORTED"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            Self::UnpairedSurrogate(_) => (StatusCode::BAD_REQUEST, "VALIDATION_FAILED"),
            Self::Cursor => (StatusCode::BAD_REQUEST, "CURSOR_INVALID"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
        }
    }

    /// The answer that says so.
    pub(super) fn answer(self) -> Answer {
        let (_, code) = self.code();
        let sentence = match self {
            Self::NotJson => "send the request as JSON, with content-type: application/json".to_owned(),
            Self::CrossSite => "a GET needs accept: application/graphql-response+json, application/json or \
                                text/event-stream, or a header graphql-preflight"
                .to_owned(),
            Self::Batch => "send one operation in each request".to_owned(),
            Self::Malformed(problem) => problem,
            Self::UnpairedSurrogate(field) => {
                let sentence = format!("{field}: half of a surrogate pair is no character; send whole characters");
                return Answer::refused_field(code, field, sentence);
            }
            Self::Cursor => "the cursor that came with the request is none of this server's".to_owned(),
            Self::TooLarge => "the request body is too large".to_owned(),
        };
        Answer::refused(code, sentence)
    }
}

/// Reads a POST body.
pub(super) fn from_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Parameters, BadRequest> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type(content_type).eq_ignore_ascii_case("application/json") {
        return Err(BadRequest::NotJson);
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadRequest::TooLarge,
        _ => BadRequest::Malformed("the body could not be read".into()),
    })?;
    let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(BadRequest::Batch);
    }
    from_json(json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
    #[serde(alias = "lastEventID", alias = "Last-Event-ID", alias = "last-event-id", alias = "last_event_id")]
    last_event_id: Option<String>,
}

/// Reads a JSON object.
pub(super) fn from_json(json: &[u8]) -> Result<Parameters, BadRequest> {
    let fields = serde_json::from_slice::<Object<Fields>>(json).map_err(|error| explain(json, &error))?;
    fields.0.into_parameters()
}

impl Fields {
    fn into_parameters(self) -> Result<Parameters, BadRequest> {
        let mut extensions = self.extensions.unwrap_or_default();
        let persisted_query = extensions.remove("persistedQuery").filter(|extension| !extension.is_null());
        let mut resume_after = self.last_event_id.filter(|cursor| !cursor.is_empty());
        for (_, cursor) in extensions.into_iter().filter(|(name, _)| is_cursor(name)) {
            match cursor {
                Value::Null => {}
                Value::String(cursor) if cursor.is_empty() => {}
                Value::String(cursor) => drop(resume_after.get_or_insert(cursor)),
                _ => return Err(BadRequest::Cursor),
            }
        }
        if self.query.is_none() && persisted_query.is_none() {
            return Err(BadRequest::Malformed("a GraphQL request needs a query, which is a string".to_owned()));
        }
        let query = self.query.unwrap_or_default();
        let operation_name = self.operation_name.filter(|name| !name.is_empty());
        Ok(Parameters { query, operation_name, variables: self.variables, persisted_query, resume_after })
    }
}

/// The fields as they were sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unread<'a> {
    #[serde(borrow)]
    query: Option<&'a RawValue>,
    #[serde(borrow)]
    operation_name: Option<&'a RawValue>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

/// Why fields could not be read.
fn explain(json: &[u8], error: &serde_json::Error) -> BadRequest {
    let unread = serde_json::from_slice::<Object<Unread<'_>>>(json);
    let unpaired = unread.ok().and_then(|Object(unread)| {
        let fields = [
            ("query", unread.query),
            ("operationName", unread.operation_name),
            ("variables", unread.variables),
            ("extensions", unread.extensions),
        ];
        fields.into_iter().find(|(_, value)| value.is_some_and(|value| has_unpaired(value.get())))
    });
    match unpaired {
        Some((field, _)) => BadRequest::UnpairedSurrogate(field),
        None => BadRequest::Malformed(problem(error)),
    }
}

/// Reads the query string of a GET. An empty parameter counts as absent.
pub(super) fn from_query_string(uri: &Uri) -> Result<Parameters, BadRequest> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| BadRequest::Malformed("the query string cannot be read".into()))?;
    let parameter = |name: &str| {
        let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(BadRequest::Malformed(format!("the query string has {name} twice"))),
            (value, None) => Ok(value.cloned()),
        }
    };
    let query = parameter("query")?;
    let operation_name = parameter("operationName")?;
    let variables = map("variables", parameter("variables")?)?;
    let extensions = map("extensions", parameter("extensions")?)?;
    if query.is_none() && !extensions.as_ref().is_some_and(|extensions| extensions.contains_key("persistedQuery")) {
        return Err(BadRequest::Malformed("the query string needs a parameter named query".into()));
    }
    Fields { query, operation_name, variables, extensions, last_event_id: None }.into_parameters()
}

/// A parameter that is an object in JSON.
fn map(name: &'static str, text: Option<String>) -> Result<Option<Map<String, Value>>, BadRequest> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    serde_json::from_str(&text).map_err(|error| match serde_json::from_str::<&RawValue>(&text) {
        Ok(unread) if has_unpaired(unread.get()) => BadRequest::UnpairedSurrogate(name),
        _ => BadRequest::Malformed(format!("{name}: {}", problem(&error))),
    })
}

/// Where and why JSON could not be read, without a word of what was sent.
fn problem(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => format!(
            "a GraphQL request has a query (a string) and may have operationName (a string), variables and extensions \
             (objects); see {place}"
        ),
        Category::Io | Category::Syntax | Category::Eof => format!("not valid JSON at {place}"),
    }
}

/// A media type without its parameters.
pub(super) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}
