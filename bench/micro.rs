//! Benchmarks of the hot paths, in this process and without a network. Run by hand:
//!
//! ```sh
//! cargo bench --bench micro
//! ```
//!
//! `scenarios` measures whole operations from outside; `counts` counts instructions.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::BodyExt as _;
use livechat::chat::{Chat, cursor};
use livechat::config::Config;
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::RoomId;
use livechat::graphql::execution::document::Document;
use livechat::graphql::transport::Drain;
use livechat::hub::Hub;
use livechat::metrics::Metrics;
use livechat::store::Store;
use livechat::store::embedded::EmbeddedStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const CREATE: &str = "mutation { createRoom { room { id code } } }";
const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id index text clientMessageId } author { id displayName } token cursor } }";
const LAST: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
    messages(last: 50) { nodes { id index text createdAt author { id displayName } } } } }";
const EVENTS: &str = "subscription($id: ID!, $code: String!) { messageEvents(roomId: $id, roomCode: $code) {
    cursor at message { id text author { id } } } }";
const READERS: u64 = 100;

criterion_group!(benches, pure_code, service);
criterion_main!(benches);

/// Code that needs no store.
fn pure_code(criterion: &mut Criterion) {
    let limits = config("unused").http.operations.limits;
    criterion.bench_function("parse a document", |bench| {
        bench.iter(|| Document::read(black_box(SEND), &limits).is_ok());
    });
    let (room, position) = (RoomId::random(), Position { seq: Seq(1_234_567), tag: EntryTag::random() });
    let encoded = cursor::encode_event(room, position);
    criterion.bench_function("encode a cursor", |bench| bench.iter(|| cursor::encode_event(black_box(room), position)));
    criterion.bench_function("decode a cursor", |bench| {
        bench.iter(|| cursor::decode_event(room, black_box(&encoded)).is_ok())
    });
}

/// The whole router, over the embedded store.
fn service(criterion: &mut Criterion) {
    let server = LocalServer::start();
    let room = server.execute(CREATE, &json!({}))["createRoom"]["room"].clone();
    let mut user = User::default();
    for _ in 0..100 {
        server.send(&room, &mut user);
    }
    criterion.bench_function("send a message", |bench| bench.iter(|| server.send(&room, &mut user)));
    criterion.bench_function("read the last 50 messages", |bench| bench.iter(|| server.execute(LAST, &room)));
    let mut readers: Vec<_> = (0..READERS).map(|_| server.subscribe(&room)).collect();
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(READERS));
    group.bench_function("send a message and deliver it to 100 readers", |bench| {
        bench.iter(|| {
            server.send(&room, &mut user);
            server.runtime.block_on(async {
                for reader in &mut readers {
                    read_event(reader).await;
                }
            });
        });
    });
    group.finish();
}

/// A server without a network.
struct LocalServer {
    runtime: Runtime,
    router: Router,
    _directory: TempDir,
}

#[derive(Default)]
struct User {
    id: Value,
    token: Value,
}

impl LocalServer {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let router = runtime.block_on(async {
            let config = config(directory.path().to_str().expect("a path in text"));
            let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(directory.path()).expect("a store"));
            let hub = Hub::start(Arc::clone(&store));
            let chat = Chat::new(store, hub, config.chat, config.access, config.rate_limit);
            let drain = Drain::new(CancellationToken::new(), Duration::ZERO);
            livechat::http::router(&chat, config.http, &drain, &Metrics::default())
        });
        Self { runtime, router, _directory: directory }
    }

    /// Executes an operation and returns its data.
    fn execute(&self, query: &str, variables: &Value) -> Value {
        self.runtime.block_on(async {
            let body = self.request(query, variables, "application/json").await.collect().await.expect("an answer");
            let answer: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
            assert!(answer.get("errors").is_none(), "{answer}");
            answer["data"].clone()
        })
    }

    fn send(&self, room: &Value, user: &mut User) {
        let input = json!({ "roomId": room["id"], "roomCode": room["code"], "userId": user.id, "token": user.token,
            "text": "a message of about forty characters, say" });
        let sent = &self.execute(SEND, &json!({ "input": input }))["sendMessage"];
        *user = User { id: sent["author"]["id"].clone(), token: sent["token"].clone() };
    }

    /// Opens an event stream, which is live when this returns.
    fn subscribe(&self, room: &Value) -> Body {
        self.runtime.block_on(async {
            let mut stream = self.request(EVENTS, room, "text/event-stream").await;
            stream.frame().await.expect("a first frame").expect("a first frame");
            stream
        })
    }

    async fn request(&self, query: &str, variables: &Value, accept: &str) -> Body {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::ACCEPT, accept).body(Body::from(body)).expect("a request");
        let Ok(answer) = self.router.clone().oneshot(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body()
    }
}

async fn read_event(stream: &mut Body) {
    loop {
        let frame = stream.frame().await.expect("an open stream").expect("an open stream");
        let data = frame.into_data().expect("data");
        if data.windows(7).any(|bytes| bytes == b"cursor\"") {
            return;
        }
    }
}

fn config(directory: &str) -> Config {
    let values = [("RATE_LIMITS", "off"), ("DATA_DIR", directory)];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Config::from_values(&values).expect("settings")
}
