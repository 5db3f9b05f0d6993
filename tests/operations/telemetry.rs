//! Request ids in responses and in the log, and traces.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::client::{SEND, User};
use crate::support::eventually;
use crate::support::server::Server;
use crate::support::socket::{PROTOCOL, Socket};
use crate::support::stream::http;

const ID: &str = "x-request-id";

#[tokio::test]
async fn response_has_the_id_of_its_request_or_a_new_one_if_that_is_invalid() {
    let server = Server::embedded();
    let response_id = async |ids: &[&[u8]]| {
        let mut request = http().get(server.url("/healthz"));
        for id in ids {
            request = request.header(ID, *id);
        }
        let answer = request.send().await.expect("an answer");
        answer.headers().get(ID).expect("an id").to_str().expect("text").to_owned()
    };
    let longest = "x".repeat(128);
    for id in ["7", "a-b.c_d:{}\"", &longest] {
        assert_eq!(response_id(&[id.as_bytes()]).await, id);
    }
    let too_long = "x".repeat(129);
    let bad: [&[&[u8]]; 7] =
        [&[], &[b""], &[too_long.as_bytes()], &[b"two words"], &[b"tab\there"], &["ä".as_bytes()], &[b"one", b"two"]];
    for ids in bad {
        let given = response_id(ids).await;
        assert!(given.len() == 36 && given.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{ids:?}: {given}");
    }
}

#[tokio::test]
async fn log_lines_of_a_socket_have_the_request_id_of_its_upgrade() {
    let mut redis = crate::support::redis_server::RedisServer::start().await;
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("LOG_FORMAT", "json")]);
    let room = server.client().create_room().await;
    let headers = format!("Sec-WebSocket-Protocol: {PROTOCOL}\r\n{ID}: the-upgrade\r\n");
    let (mut socket, _) = Socket::with_headers(server.address(), &headers).await.expect("a socket");
    socket.send_json(json!({ "type": "connection_init" })).await;
    redis.kill();
    let query = format!("{{ room(id: \"{}\", code: \"{}\") {{ id }} }}", room.id, room.code);
    socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    eventually("the error is logged", || async {
        server.log().lines().any(|line| line.contains("the store is unavailable") && line.contains("\"the-upgrade\""))
    })
    .await;
}

/// A collector of traces.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let receive = async |State(spans): State<Arc<Mutex<Vec<Span>>>>, body: Bytes| {
            let batch = ExportTraceServiceRequest::decode(body).expect("traces");
            let scopes = batch.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.lock().expect("the spans").extend(scopes.flat_map(|scope| scope.spans));
        };
        let router = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&spans));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, spans }
    }
}

#[tokio::test]
async fn send_is_one_trace_of_request_path_use_case_and_store_call_below_the_clients_span() {
    let collector = Collector::start().await;
    let mut server = Server::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)]);
    let client = server.client();
    let room = client.create_room().await;
    let mut user = User::of(client.clone());
    user.send(&room, "the first of two secrets").await;
    let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token,
        "text": "the second of two secrets" });
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = http().post(client.url()).header("traceparent", traceparent);
    let body = json!({ "query": SEND, "variables": { "input": input } });
    let answer = request.json(&body).send().await.expect("an answer").text().await.expect("a body");
    assert!(!answer.contains("errors"), "{answer}");
    // A stopping server sends the last spans, so the test need not wait for them.
    assert!(server.terminate().await.success());

    let all = collector.spans.lock().expect("the spans").clone();
    let ours: Vec<_> =
        all.iter().filter(|span| hex::encode(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c").collect();
    let named =
        |name: &str| *ours.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {ours:?}"));
    let (request, path) = (named("request"), named("fast_path"));
    let (use_case, send) = (named("send_message"), named("send"));
    assert_eq!(hex::encode(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(path.parent_span_id, request.span_id);
    assert_eq!(use_case.parent_span_id, path.span_id);
    let inside: BTreeSet<_> =
        ours.iter().filter(|span| span.parent_span_id == use_case.span_id).map(|span| span.name.as_str()).collect();
    // The room is cached since the first send.
    assert_eq!(inside, ["send"].into());
    assert_eq!(send.parent_span_id, use_case.span_id);
    assert_eq!(ours.len(), 4, "{ours:?}");
    let others: BTreeSet<_> = all.iter().map(|span| &span.trace_id).collect();
    assert!(others.len() >= 3, "requests without a parent have traces of their own");
    let text = format!("{all:?}");
    let token = user.token.expect("a token");
    for secret in ["two secrets", &room.code, &token] {
        assert!(!text.contains(&format!("\"{secret}")) && !text.contains(&format!(" {secret}")), "{secret} in {text}");
    }
}

#[tokio::test]
async fn unreachable_or_silent_collector_does_no_harm() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    for address in [closed, silent.local_addr().expect("its address")] {
        let mut server = Server::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]);
        let client = server.client();
        let room = client.create_room().await;
        User::of(client).send(&room, "sent all the same").await;
        assert!(server.terminate().await.success());
        assert!(server.log().contains("traces cannot be sent"), "{}", server.log());
    }
}

#[test]
fn collector_address_must_be_http() {
    for address in ["collector:4317", "https://collector:4318", "http://", "http://collector?key=secret"] {
        let error = crate::support::server::failure(&[("OTEL_EXPORTER_OTLP_ENDPOINT", address)]);
        assert!(error.starts_with("livechat: OTEL_EXPORTER_OTLP_ENDPOINT: must be "), "{address}: {error}");
    }
}
