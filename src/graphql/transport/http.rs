//! GraphQL over HTTP, after the specification of September 2026 (<https://graphql.github.io/graphql-over-http/>): POST with
//! a JSON body, GET for what changes nothing. Streams are written in `sse` and `multipart`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use crate::domain::client_key::ClientKey;
use crate::graphql::execution::operation::{Carrier, Circumstances, Outcome, Parameters};
use crate::graphql::execution::response::{Answer, Failure};
use crate::graphql::transport::negotiation::{Accept, AnswerType, StreamType};
use crate::graphql::transport::request::{self, BadRequest};
use crate::graphql::transport::{Transport, client_key, csrf, cursors, multipart, sse};

/// Answers a POST.
pub(super) async fn post(
    State(transport): State<Arc<Transport>>,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = Asked { uri: &uri, headers: &headers, over_get: false };
    answer(&transport, client_key(&extensions), asked, request::from_body(&headers, body)).await
}

/// The head of a request.
struct Asked<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    over_get: bool,
}

/// Answers a GET.
pub(super) async fn get(transport: &Transport, request: &Parts) -> Response {
    let parameters = request::from_query_string(&request.uri)
        .and_then(|read| if csrf::is_deliberate(&request.headers) { Ok(read) } else { Err(BadRequest::CrossSite) });
    let asked = Asked { uri: &request.uri, headers: &request.headers, over_get: true };
    answer(transport, client_key(&request.extensions), asked, parameters).await
}

async fn answer(
    transport: &Transport,
    client: ClientKey,
    asked: Asked<'_>,
    parameters: Result<Parameters, BadRequest>,
) -> Response {
    let Asked { uri, headers, over_get } = asked;
    let accept = Accept::of(headers);
    let cursor = cursors::of_request(headers, uri);
    if cursor.as_ref().is_ok_and(|cursor| cursor.as_deref() == Some(sse::LAST_ID))
        && accept.stream == Some(StreamType::EventStream)
    {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (parameters, resume_after) = match parameters.and_then(|parameters| Ok((parameters, cursor?))) {
        Ok(read) => read,
        Err(bad) => return refuse(transport, accept.answer, bad),
    };
    if transport.drain.has_begun() {
        match accept.stream {
            Some(StreamType::EventStream) => return sse::come_back(),
            Some(StreamType::Multipart) => return stopping(),
            None => {}
        }
    }
    let carrier = accept.stream.map_or(Carrier::Http, StreamType::carrier);
    let circumstances = Circumstances { client, carrier, over_get, resume_after };
    let outcome = transport.operations.run(parameters, circumstances).await;
    match (outcome, accept.stream) {
        (Outcome::Answer(answer), Some(StreamType::EventStream)) if !accept.answer_in_stream => {
            write(accept.answer, answer)
        }
        (outcome, Some(StreamType::EventStream)) => sse::stream(outcome, client, transport),
        (Outcome::Answer(answer), _) => write(accept.answer, answer),
        (Outcome::Events(events), Some(StreamType::Multipart)) => multipart::stream(events, client, transport),
        (Outcome::Events(_), None) => {
            let sentence = "a subscription needs accept: text/event-stream, multipart/mixed;subscriptionSpec=1.0, or a \
                            WebSocket";
            write_as(accept.answer, StatusCode::NOT_ACCEPTABLE, Answer::refused("NOT_ACCEPTABLE", sentence))
        }
    }
}

/// Writes an answer. A request that was never executed is a 400 or a 429 in the newer media type only.
fn write(kind: AnswerType, answer: Answer) -> Response {
    let status = match (answer.failure(), kind) {
        // Clients with persisted queries read what to do in the answer, whatever its media type.
        (None | Some(Failure::NotPersisted), _) | (Some(Failure::Request | Failure::RateLimit), AnswerType::Json) => {
            StatusCode::OK
        }
        (Some(Failure::Request), AnswerType::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Some(Failure::RateLimit), AnswerType::GraphqlResponse) => StatusCode::TOO_MANY_REQUESTS,
        (Some(Failure::Method), _) => StatusCode::METHOD_NOT_ALLOWED,
        (Some(Failure::Overload), _) => StatusCode::SERVICE_UNAVAILABLE,
        (Some(Failure::Fault), _) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let is_passing = answer.failure() == Some(Failure::NotPersisted);
    let mut response = write_as(kind, status, answer);
    if is_passing {
        // The next answer to the same address may be another.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn refuse(transport: &Transport, kind: AnswerType, bad: BadRequest) -> Response {
    let (status, code) = bad.code();
    transport.operations.numbers().refused(code);
    write_as(kind, status, bad.answer())
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
    (status, [(header::CONTENT_TYPE, media_type)], answer.into_body()).into_response()
}
