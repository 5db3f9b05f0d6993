//! Reading the parameters of a request from an HTTP body or a query string.

use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::error::Category;

use crate::graphql::operation::Parameters;
use crate::graphql::transport::object::Object;

/// What is wrong with an HTTP request before GraphQL sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    NotJson,
    /// A GET that a page of another site could have had a browser make.
    CrossSite,
    /// A list of requests.
    Batch,
    Malformed(String),
    TooLarge,
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
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(BadRequest::Batch);
    }
    let Object(parameters) = serde_json::from_slice(&body).map_err(|error| BadRequest::Malformed(problem(&error)))?;
    Ok(parameters)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryString {
    query: String,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// Reads the query string of a GET. An empty parameter counts as absent.
pub(super) fn from_query_string(uri: &Uri) -> Result<Parameters, BadRequest> {
    let Query(read) = Query::<QueryString>::try_from_uri(uri)
        .map_err(|_| BadRequest::Malformed("the query string needs a parameter named query".into()))?;
    let map = |name: &str, text: Option<String>| {
        text.filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| BadRequest::Malformed(format!("{name}: {}", problem(&error))))
    };
    let variables = map("variables", read.variables)?;
    map("extensions", read.extensions)?;
    Ok(Parameters::new(read.query, read.operation_name.filter(|name| !name.is_empty()), variables))
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
