//! HTTP targets: GraphQL requests and legacy bodies.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::local_server::with_router;

const JSON: &str = "application/json";

/// Deadline of a response that is not a stream. The clock is paused, so this takes no real time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Largest valid response. A longer one would echo or repeat its input.
const RESPONSE_MAX: usize = 256 * 1024;

/// The bytes are the body of a POST.
pub fn graphql_body(bytes: &[u8]) {
    check(post("/graphql").header(header::CONTENT_TYPE, JSON).body(Body::from(bytes.to_vec())));
}

/// The bytes are the unparsed document. `run.sh` limits its length, so that nesting cannot overflow the stack of the parser.
pub fn document(bytes: &[u8]) {
    let body = json!({ "query": String::from_utf8_lossy(bytes) }).to_string();
    check(post("/graphql").header(header::CONTENT_TYPE, JSON).body(Body::from(body)));
}

/// The bytes are the query string of a GET.
pub fn query_string(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from([b"/graphql?", bytes].concat()) else { return };
    check(Request::builder().method(Method::GET).uri(uri).body(Body::empty()));
}

/// The bytes are the `Accept` header.
pub fn accept(bytes: &[u8]) {
    let Ok(accept) = HeaderValue::from_bytes(bytes) else { return };
    let body = json!({ "query": "{ __typename }" }).to_string();
    check(post("/graphql").header(header::CONTENT_TYPE, JSON).header(header::ACCEPT, accept).body(Body::from(body)));
}

/// The first byte chooses the route, the rest is the body.
pub fn legacy_body(bytes: &[u8]) {
    const ROUTES: [&str; 4] = ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"];
    let Some((choice, body)) = bytes.split_first() else { return };
    let route = ROUTES[usize::from(*choice) % ROUTES.len()];
    check(post(route).header(header::CONTENT_TYPE, JSON).body(Body::from(body.to_vec())));
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::builder().method(Method::POST).uri(path)
}

/// Sends a request and checks that the response is not an internal error.
fn check(request: Result<Request<Body>, axum::http::Error>) {
    let Ok(request) = request else { return };
    with_router(async |router| {
        let Ok(response) = router.oneshot(request).await;
        assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        check_response(response).await;
    });
}

async fn check_response(response: Response<Body>) {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.starts_with(JSON) || kind.starts_with("application/graphql-response+json");
    // A stream of events does not end by itself.
    let Ok(body) = timeout(TIMEOUT, to_bytes(response.into_body(), RESPONSE_MAX)).await else { return };
    let body = body.expect("a response within the limit");
    if is_json {
        let response: Value = serde_json::from_slice(&body).expect("JSON as declared");
        assert_ne!(response["errors"][0]["extensions"]["code"], "INTERNAL");
    }
}
