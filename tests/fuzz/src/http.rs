//! What comes by HTTP: GraphQL requests and legacy bodies.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::front_door::with_router;

const JSON: &str = "application/json";

/// How long an answer may take that is no stream. The clock jumps, so it is never waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer to input of whatever kind is longer than this only if it echoes or repeats.
const ANSWER_MAX: usize = 256 * 1024;

/// The bytes are the body of a POST.
pub fn graphql_body(bytes: &[u8]) {
    ask(post("/graphql").header(header::CONTENT_TYPE, JSON).body(Body::from(bytes.to_vec())));
}

/// The bytes are the document, before anything has looked at it. What nests deep enough to overflow the stack of the
/// parser is longer than `run.sh` lets this become.
pub fn document(bytes: &[u8]) {
    let body = json!({ "query": String::from_utf8_lossy(bytes) }).to_string();
    ask(post("/graphql").header(header::CONTENT_TYPE, JSON).body(Body::from(body)));
}

/// The bytes are the query string of a GET.
pub fn query_string(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from([b"/graphql?", bytes].concat()) else { return };
    ask(Request::builder().method(Method::GET).uri(uri).body(Body::empty()));
}

/// The bytes are the `Accept` header.
pub fn accept(bytes: &[u8]) {
    let Ok(accept) = HeaderValue::from_bytes(bytes) else { return };
    let body = json!({ "query": "{ __typename }" }).to_string();
    ask(post("/graphql").header(header::CONTENT_TYPE, JSON).header(header::ACCEPT, accept).body(Body::from(body)));
}

/// The first byte chooses the route, the rest is the body.
pub fn legacy_body(bytes: &[u8]) {
    const ROUTES: [&str; 4] = ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"];
    let Some((choice, body)) = bytes.split_first() else { return };
    let route = ROUTES[usize::from(*choice) % ROUTES.len()];
    ask(post(route).header(header::CONTENT_TYPE, JSON).body(Body::from(body.to_vec())));
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::builder().method(Method::POST).uri(path)
}

/// Asks, and looks at the answer: whatever was asked, it is no fault of ours.
fn ask(request: Result<Request<Body>, axum::http::Error>) {
    let Ok(request) = request else { return };
    with_router(async |router| {
        let Ok(response) = router.oneshot(request).await;
        assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        look_at(response).await;
    });
}

async fn look_at(response: Response<Body>) {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.starts_with(JSON) || kind.starts_with("application/graphql-response+json");
    // A stream of events does not end by itself.
    let Ok(body) = timeout(PATIENCE, to_bytes(response.into_body(), ANSWER_MAX)).await else { return };
    let body = body.expect("an answer of some size");
    if is_json {
        let answer: Value = serde_json::from_slice(&body).expect("JSON where JSON is promised");
        assert_ne!(answer["errors"][0]["extensions"]["code"], "INTERNAL");
    }
}
