//! Queries and mutations over HTTP, after the GraphQL over HTTP specification
//! (<https://graphql.github.io/graphql-over-http/>): POST with a JSON body, GET for queries only.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Variables};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::graphql::transport::{OverGet, Transport};

const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// The parameters of a request, in a body or in a query string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<Map> {
    query: String,
    operation_name: Option<String>,
    variables: Option<Map>,
    extensions: Option<Map>,
}

/// What is wrong with a request before GraphQL sees it.
#[derive(Debug)]
enum BadRequest {
    NotJson,
    Malformed(String),
    TooLarge,
    NotAQuery,
}

/// Answers a POST.
pub(super) async fn post(
    State(transport): State<Transport>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let accept = Accept::of(&headers);
    match read_body(&headers, body) {
        Ok(request) => accept.answer(transport.schema.execute(request).await),
        Err(bad) => accept.refuse(bad),
    }
}

/// Answers a GET, which must not change anything.
pub(super) async fn get(transport: &Transport, uri: &Uri, headers: &HeaderMap) -> Response {
    let accept = Accept::of(headers);
    let mut request = match read_query_string(uri) {
        Ok(request) => request.data(OverGet),
        Err(bad) => return accept.refuse(bad),
    };
    let name = request.operation_name.clone();
    // What cannot be parsed goes on to the schema, which says what is wrong with it.
    if let Ok(document) = request.parsed_query() {
        let chosen = document
            .operations
            .iter()
            .find(|(candidate, _)| name.as_deref().is_none_or(|name| candidate.is_some_and(|c| c.as_str() == name)));
        if chosen.is_some_and(|(_, operation)| operation.node.ty != OperationType::Query) {
            return accept.refuse(BadRequest::NotAQuery);
        }
    }
    accept.answer(transport.schema.execute(request).await)
}

fn read_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Request, BadRequest> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type(content_type).eq_ignore_ascii_case(JSON) {
        return Err(BadRequest::NotJson);
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadRequest::TooLarge,
        _ => BadRequest::Malformed("the body could not be read".into()),
    })?;
    let parameters: Parameters<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&body).map_err(|error| BadRequest::Malformed(problem(&error)))?;
    Ok(request(parameters.query, parameters.operation_name, parameters.variables, parameters.extensions))
}

fn read_query_string(uri: &Uri) -> Result<Request, BadRequest> {
    let parameters: Parameters<String> = axum::extract::Query::try_from_uri(uri)
        .map_err(|_| BadRequest::Malformed("the query string needs a parameter named query".into()))?
        .0;
    let map = |name: &str, text: Option<String>| {
        text.filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| BadRequest::Malformed(format!("{name}: {}", problem(&error))))
    };
    let variables = map("variables", parameters.variables)?;
    let extensions = map("extensions", parameters.extensions)?;
    Ok(request(parameters.query, parameters.operation_name, variables, extensions))
}

fn request(
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    _extensions: Option<serde_json::Map<String, serde_json::Value>>,
) -> Request {
    let variables = Variables::from_json(serde_json::Value::Object(variables.unwrap_or_default()));
    let mut request = Request::new(query).variables(variables);
    request.operation_name = operation_name;
    request
}

/// Where and why JSON could not be read, without a word of what was sent.
fn problem(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => format!(
            "a GraphQL request has a query (a string) and may have operationName (a string), variables and extensions (objects); see {place}"
        ),
        _ => format!("not valid JSON at {place}"),
    }
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Which of our media types the client wants.
#[derive(Clone, Copy)]
enum Accept {
    Json,
    GraphqlResponse,
}

impl Accept {
    /// Clients of before the specification ask for JSON or nothing, and get what they always got.
    fn of(headers: &HeaderMap) -> Self {
        let asks = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| media_type(value).eq_ignore_ascii_case(GRAPHQL_RESPONSE));
        if asks { Self::GraphqlResponse } else { Self::Json }
    }

    /// A GraphQL response. A request that failed before its execution is a 400 in the newer media type only.
    fn answer(self, response: async_graphql::Response) -> Response {
        let executed = response.is_ok() || response.errors.iter().any(|error| !error.path.is_empty());
        match (self, executed) {
            (Self::GraphqlResponse, false) => self.write(StatusCode::BAD_REQUEST, &response),
            _ => self.write(StatusCode::OK, &response),
        }
    }

    fn refuse(self, bad: BadRequest) -> Response {
        let (status, code, message) = match bad {
            BadRequest::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "send the request as JSON, with content-type: application/json".to_owned(),
            ),
            BadRequest::Malformed(problem) => (StatusCode::BAD_REQUEST, "BAD_REQUEST", problem),
            BadRequest::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "the request body is too large".to_owned())
            }
            BadRequest::NotAQuery => (
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "only queries can be asked with GET; use POST".to_owned(),
            ),
        };
        let body = serde_json::json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
        let mut response = self.write(status, &body);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        }
        response
    }

    fn write(self, status: StatusCode, body: &impl serde::Serialize) -> Response {
        let media_type = match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        };
        match serde_json::to_vec(body) {
            Ok(body) => (status, [(header::CONTENT_TYPE, media_type)], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
