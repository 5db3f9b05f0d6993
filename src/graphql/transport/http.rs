//! GraphQL over HTTP, after the specification of September 2026 (<https://graphql.github.io/graphql-over-http/>): POST with
//! a JSON body, GET for what changes nothing. Streams are written in `sse` and `multipart`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::domain::client_key::ClientKey;
use crate::graphql::answer::{Answer, Failure};
use crate::graphql::operation::{Carrier, Circumstances, Outcome, Parameters};
use crate::graphql::transport::accept::{Accept, AnswerType, StreamType};
use crate::graphql::transport::parameters::{self, BadRequest};
use crate::graphql::transport::{Transport, client_key, cross_site, multipart, sse};

/// Answers a POST.
pub(super) async fn post(
    State(transport): State<Arc<Transport>>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(&transport, client_key(&extensions), &headers, parameters::from_body(&headers, body), false).await
}

/// Answers a GET.
pub(super) async fn get(transport: &Transport, request: &Parts) -> Response {
    let parameters = parameters::from_query_string(&request.uri).and_then(|read| {
        if cross_site::is_deliberate(&request.headers) { Ok(read) } else { Err(BadRequest::CrossSite) }
    });
    answer(transport, client_key(&request.extensions), &request.headers, parameters, true).await
}

async fn answer(
    transport: &Transport,
    client: ClientKey,
    headers: &HeaderMap,
    parameters: Result<Parameters, BadRequest>,
    over_get: bool,
) -> Response {
    let accept = Accept::of(headers);
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    if last_event_id == Some(sse::LAST_ID) && accept.stream == Some(StreamType::EventStream) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(bad) => return refuse(transport, accept.answer, bad),
    };
    if transport.drain.has_begun() {
        match accept.stream {
            Some(StreamType::EventStream) => return sse::come_back(),
            Some(StreamType::Multipart) => return stopping(),
            None => {}
        }
    }
    let resume_after = last_event_id.map(str::to_owned);
    let carrier = accept.stream.map_or(Carrier::Http, StreamType::carrier);
    let circumstances = Circumstances { client, carrier, over_get, resume_after };
    let outcome = transport.operations.run(parameters, circumstances).await;
    match (outcome, accept.stream) {
        (outcome, Some(StreamType::EventStream)) => sse::stream(outcome, transport),
        (Outcome::Answer(answer), _) => write(accept.answer, answer),
        (Outcome::Events(events), Some(StreamType::Multipart)) => multipart::stream(events, transport),
        (Outcome::Events(_), None) => {
            let sentence = "a subscription needs accept: text/event-stream, multipart/mixed;subscriptionSpec=1.0, or a \
                            WebSocket";
            write_as(accept.answer, StatusCode::NOT_ACCEPTABLE, Answer::refused("NOT_ACCEPTABLE", sentence))
        }
    }
}

/// Writes an answer. A request that was never executed is a 400 in the newer media type only.
fn write(kind: AnswerType, answer: Answer) -> Response {
    let status = match (answer.failure(), kind) {
        (None, _) | (Some(Failure::Request), AnswerType::Json) => StatusCode::OK,
        (Some(Failure::Request), AnswerType::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Some(Failure::Method), _) => StatusCode::METHOD_NOT_ALLOWED,
        (Some(Failure::Overload), _) => StatusCode::SERVICE_UNAVAILABLE,
        (Some(Failure::Fault), _) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = write_as(kind, status, answer);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn refuse(transport: &Transport, kind: AnswerType, bad: BadRequest) -> Response {
    let (status, code, sentence) = match bad {
        BadRequest::NotJson => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "send the request as JSON, with content-type: application/json".to_owned(),
        ),
        BadRequest::CrossSite => (
            StatusCode::BAD_REQUEST,
            "PREFLIGHT_REQUIRED",
            "a GET needs accept: application/graphql-response+json, application/json or text/event-stream, or a header \
             graphql-preflight"
                .to_owned(),
        ),
        BadRequest::Batch => {
            (StatusCode::BAD_REQUEST, "BATCH_NOT_SUPPORTED", "send one operation in each request".to_owned())
        }
        BadRequest::Malformed(problem) => (StatusCode::BAD_REQUEST, "BAD_REQUEST", problem),
        BadRequest::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "the request body is too large".to_owned())
        }
    };
    transport.operations.numbers().refused(code);
    write_as(kind, status, Answer::refused(code, sentence))
}

/// Not as a GraphQL answer, which Apollo Client would take for the last word.
fn stopping() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "this server is stopping; connect again\n").into_response()
}

pub(super) fn write_as(kind: AnswerType, status: StatusCode, answer: Answer) -> Response {
    let media_type = match kind {
        AnswerType::Json => "application/json; charset=utf-8",
        AnswerType::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
    };
    (status, [(header::CONTENT_TYPE, media_type)], answer.into_json()).into_response()
}
