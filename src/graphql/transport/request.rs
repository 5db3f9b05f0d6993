//! Parses the parameters of a GraphQL request from an HTTP body, a query string or the payload of a WebSocket message.
//!
//! Null means absent everywhere, and so does an empty `operationName`.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, Parameters};
use crate::graphql::transport::resume_cursors::{InvalidCursor, is_cursor_name};
use crate::graphql::transport::surrogates::has_unpaired;

/// A request that cannot be parsed or is not allowed, before GraphQL sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    NotJson,
    /// A GET that a page of another site may have made a browser send.
    CrossSite,
    /// A list of requests, which is not supported.
    Batch,
    Malformed(String),
    /// The named parameter contains an unpaired surrogate.
    UnpairedSurrogate(&'static str),
    /// A cursor that this server did not issue.
    Cursor,
    TooLarge,
}

impl From<InvalidCursor> for BadRequest {
    fn from(_: InvalidCursor) -> Self {
        Self::Cursor
    }
}

impl BadRequest {
    /// The HTTP status and the error code.
    pub(super) const fn code(&self) -> (StatusCode, ErrorCode) {
        match self {
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedMediaType),
            Self::CrossSite => (StatusCode::BAD_REQUEST, ErrorCode::PreflightRequired),
            Self::Batch => (StatusCode::BAD_REQUEST, ErrorCode::BatchNotSupported),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, ErrorCode::BadRequest),
            Self::UnpairedSurrogate(_) => (StatusCode::BAD_REQUEST, ErrorCode::ValidationFailed),
            Self::Cursor => (StatusCode::BAD_REQUEST, ErrorCode::CursorInvalid),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::PayloadTooLarge),
        }
    }

    /// The error response.
    pub(super) fn into_answer(self) -> Answer {
        let (_, code) = self.code();
        let message = match self {
            Self::NotJson => "send the request as JSON, with content-type: application/json".to_owned(),
            Self::CrossSite => "a GET needs accept: application/graphql-response+json, application/json or \
                                text/event-stream, or a header graphql-preflight"
                .to_owned(),
            Self::Batch => "send one operation in each request".to_owned(),
            Self::Malformed(message) => message,
            Self::UnpairedSurrogate(field) => {
                let message = format!("{field} contains an unpaired surrogate, which is not a Unicode character");
                return Answer::refused_field(code, field, message);
            }
            Self::Cursor => "the cursor of the request was not issued by this server".to_owned(),
            Self::TooLarge => "the request body is too large".to_owned(),
        };
        Answer::refused(code, message)
    }
}

/// Parses the body of a POST.
pub(super) fn parse_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Parameters, BadRequest> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type(content_type).eq_ignore_ascii_case("application/json") {
        return Err(BadRequest::NotJson);
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadRequest::TooLarge,
        _ => BadRequest::Malformed("the request body could not be read".into()),
    })?;
    let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(BadRequest::Batch);
    }
    parse_json(json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
    /// The id of a trusted document, by any of the names that clients use. Anything but a text is ignored, as are all fields of
    /// other names.
    document_id: Option<Value>,
    id: Option<Value>,
    #[serde(rename = "doc_id")]
    doc_id: Option<Value>,
    #[serde(alias = "lastEventID", alias = "Last-Event-ID", alias = "last-event-id", alias = "last_event_id")]
    last_event_id: Option<String>,
}

/// Parses a JSON object. The caller rejects arrays, because serde parses a struct from an array of its fields' values, too.
pub(super) fn parse_json(json: &[u8]) -> Result<Parameters, BadRequest> {
    let fields: Fields = serde_json::from_slice(json).map_err(|error| classify_error(json, &error))?;
    fields.into_parameters()
}

impl Fields {
    fn into_parameters(self) -> Result<Parameters, BadRequest> {
        let mut extensions = self.extensions.unwrap_or_default();
        let persisted_query = extensions.remove("persistedQuery").filter(|extension| !extension.is_null());
        let mut resume_after = self.last_event_id.filter(|cursor| !cursor.is_empty());
        for (_, cursor) in extensions.into_iter().filter(|(name, _)| is_cursor_name(name)) {
            match cursor {
                Value::Null => {}
                Value::String(cursor) if cursor.is_empty() => {}
                Value::String(cursor) => drop(resume_after.get_or_insert(cursor)),
                _ => return Err(BadRequest::Cursor),
            }
        }
        let ids = [self.document_id, self.id, self.doc_id].into_iter().flatten();
        let document_id = ids.into_iter().find_map(|id| if let Value::String(id) = id { Some(id) } else { None });
        if self.query.is_none() && persisted_query.is_none() && document_id.is_none() {
            return Err(BadRequest::Malformed("a GraphQL request needs a query, which must be a string".to_owned()));
        }
        let query = self.query.unwrap_or_default();
        let operation_name = self.operation_name.filter(|name| !name.is_empty());
        Ok(Parameters { query, operation_name, variables: self.variables, persisted_query, document_id, resume_after })
    }
}

/// Finds out why the fields could not be parsed.
fn classify_error(json: &[u8], error: &serde_json::Error) -> BadRequest {
    let values: HashMap<String, &RawValue> = serde_json::from_slice(json).unwrap_or_default();
    let has_unpaired = |name: &&str| values.get(*name).is_some_and(|value| has_unpaired(value.get()));
    match ["query", "operationName", "variables", "extensions"].into_iter().find(has_unpaired) {
        Some(name) => BadRequest::UnpairedSurrogate(name),
        None => BadRequest::Malformed(describe_json_error(error)),
    }
}

/// Parses the query string of a GET. An empty parameter counts as absent.
pub(super) fn parse_query_string(uri: &Uri) -> Result<Parameters, BadRequest> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| BadRequest::Malformed("the query string is malformed".into()))?;
    let parameter = |name: &str| {
        let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(BadRequest::Malformed(format!("the query string contains {name} twice"))),
            (value, None) => Ok(value.cloned()),
        }
    };
    let query = parameter("query")?;
    let operation_name = parameter("operationName")?;
    let variables = parse_object("variables", parameter("variables")?)?;
    let extensions = parse_object("extensions", parameter("extensions")?)?;
    let [document_id, id, doc_id] = [parameter("documentId")?, parameter("id")?, parameter("doc_id")?]
        .map(|id| id.filter(|id| !id.is_empty()).map(Value::String));
    let has_id = [&document_id, &id, &doc_id].into_iter().any(Option::is_some);
    if query.is_none()
        && !has_id
        && !extensions.as_ref().is_some_and(|extensions| extensions.contains_key("persistedQuery"))
    {
        return Err(BadRequest::Malformed("the query string needs a parameter named query".into()));
    }
    Fields { query, operation_name, variables, extensions, document_id, id, doc_id, last_event_id: None }
        .into_parameters()
}

/// Parses a query parameter that holds a JSON object.
fn parse_object(name: &'static str, text: Option<String>) -> Result<Option<Map<String, Value>>, BadRequest> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    serde_json::from_str(&text).map_err(|error| match serde_json::from_str::<&RawValue>(&text) {
        Ok(raw) if has_unpaired(raw.get()) => BadRequest::UnpairedSurrogate(name),
        _ => BadRequest::Malformed(format!("{name}: {}", describe_json_error(&error))),
    })
}

/// Says where and why JSON could not be parsed, without quoting it.
fn describe_json_error(error: &serde_json::Error) -> String {
    let position = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => format!(
            "a GraphQL request has a query (a string) and may have operationName (a string), variables and extensions \
             (objects); see {position}"
        ),
        Category::Io | Category::Syntax | Category::Eof => format!("invalid JSON at {position}"),
    }
}

/// The media type without its parameters.
pub(super) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}
