//! GraphQL over HTTP, as in the specification of September 2026 (<https://graphql.github.io/graphql-over-http/>): POST with a
//! JSON body, and GET for queries and subscriptions. Streams of events are in `sse` and `multipart`.

use std::mem;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use crate::domain::client_key::ClientKey;
use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, Failure, Outcome, Parameters, RequestContext, TransportKind};
use crate::graphql::transport::negotiation::{Accept, ResponseType, StreamType};
use crate::graphql::transport::request::{self, BadRequest};
use crate::graphql::transport::state::{TransportState, client_key};
use crate::graphql::transport::{csrf, multipart, resume_cursors, sse};

/// Handles a POST.
pub(super) async fn post(State(state): State<Arc<TransportState>>, mut request: Request) -> Response {
    let (uri, headers) = (mem::take(request.uri_mut()), mem::take(request.headers_mut()));
    let head = RequestHead { client: client_key(request.extensions()), uri, headers, is_get: false };
    let parameters = request::parse_body(&head.headers, Bytes::from_request(request, &()).await);
    respond(&state, head, parameters).await
}

/// Handles a GET.
pub(super) async fn get(state: &TransportState, request: Parts) -> Response {
    let parameters = request::parse_query_string(&request.uri).and_then(|parameters| {
        if csrf::is_safe(&request.headers) { Ok(parameters) } else { Err(BadRequest::CrossSite) }
    });
    let client = client_key(&request.extensions);
    let head = RequestHead { client, uri: request.uri, headers: request.headers, is_get: true };
    respond(state, head, parameters).await
}

/// The head of a request.
struct RequestHead {
    client: ClientKey,
    uri: Uri,
    headers: HeaderMap,
    is_get: bool,
}

async fn respond(state: &TransportState, head: RequestHead, parameters: Result<Parameters, BadRequest>) -> Response {
    let client = head.client;
    let accept = Accept::from_headers(&head.headers);
    let cursor = resume_cursors::from_request(&head.headers, &head.uri);
    if cursor.as_ref().is_ok_and(|cursor| cursor.as_deref() == Some(sse::LAST_ID))
        && accept.stream == Some(StreamType::EventStream)
    {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (parameters, resume_after) = match parameters.and_then(|parameters| Ok((parameters, cursor?))) {
        Ok(parsed) => parsed,
        Err(bad_request) => return reject(state, accept.response, bad_request),
    };
    if state.drain.has_begun() {
        match accept.stream {
            Some(StreamType::EventStream) => return sse::reconnect(),
            Some(StreamType::Multipart) => return shutting_down(),
            None => {}
        }
    }
    let transport = accept.stream.map_or(TransportKind::Http, StreamType::transport);
    let context = RequestContext { client, transport, over_get: head.is_get, resume_after };
    let outcome = state.executor.run(parameters, context).await;
    match (outcome, accept.stream) {
        (Outcome::Answer(answer), Some(StreamType::EventStream)) if accept.response_in_stream => {
            sse::single_result(answer)
        }
        (Outcome::Answer(answer), _) => single_response(accept.response, answer),
        (Outcome::Events(events), Some(StreamType::EventStream)) => sse::stream(events, client, state),
        (Outcome::Events(events), Some(StreamType::Multipart)) => multipart::stream(events, client, state),
        (Outcome::Events(_), None) => {
            let message = "a subscription needs accept: text/event-stream, multipart/mixed;subscriptionSpec=1.0, or a \
                           WebSocket";
            with_status(accept.response, StatusCode::NOT_ACCEPTABLE, Answer::refused(ErrorCode::NotAcceptable, message))
        }
    }
}

/// A single response with its HTTP status. A request that was not executed has status 400 or 429 in the newer media type only.
fn single_response(kind: ResponseType, answer: Answer) -> Response {
    let status = match (answer.failure(), kind) {
        // Clients with persisted queries read the error from the body, in both media types.
        (None | Some(Failure::NotPersisted), _) | (Some(Failure::Request | Failure::RateLimit), ResponseType::Json) => {
            StatusCode::OK
        }
        (Some(Failure::Request), ResponseType::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Some(Failure::RateLimit), ResponseType::GraphqlResponse) => StatusCode::TOO_MANY_REQUESTS,
        (Some(Failure::Method), _) => StatusCode::METHOD_NOT_ALLOWED,
        (Some(Failure::Overload), _) => StatusCode::SERVICE_UNAVAILABLE,
        (Some(Failure::Fault), _) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let retry_after = answer.retry_after();
    let is_not_persisted = answer.failure() == Some(Failure::NotPersisted);
    let mut response = with_status(kind, status, answer);
    if is_not_persisted {
        // The same URL is answered differently once the document is known.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(wait) = retry_after {
        // Round up, so that a client that waits this long is not too early.
        let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn reject(state: &TransportState, kind: ResponseType, bad_request: BadRequest) -> Response {
    let (status, code) = bad_request.code();
    state.executor.metrics().record_refused(code);
    with_status(kind, status, bad_request.into_answer())
}

/// Refuses a stream during shutdown. This is not a GraphQL response, because Apollo Client would not retry after one.
fn shutting_down() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "this server is shutting down; connect again\n").into_response()
}

/// A GraphQL response with this HTTP status.
pub(super) fn with_status(kind: ResponseType, status: StatusCode, answer: Answer) -> Response {
    let media_type = match kind {
        ResponseType::Json => "application/json; charset=utf-8",
        ResponseType::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
    };
    (status, [(header::CONTENT_TYPE, media_type)], answer.into_body()).into_response()
}
