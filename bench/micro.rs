//! The hot paths one by one, in this process, without a network: for whoever changes one of them. Run by hand:
//!
//! ```sh
//! cargo bench --bench micro
//! ```
//!
//! What a whole operation costs the server is measured from outside, in `scenarios`; instructions are counted in `counts`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::BodyExt as _;
use livechat::chat::Chat;
use livechat::chat::cursor;
use livechat::config::Config;
use livechat::domain::event::{EntryTag, Position, Seq};
use livechat::domain::room::RoomId;
use livechat::graphql::execution::document::{Document, Types};
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

criterion_group!(benches, rules, service);
criterion_main!(benches);

/// What is decided without a store.
fn rules(criterion: &mut Criterion) {
    let limits = config("unused").http.operations.limits;
    let types = Types::read(&livechat::graphql::sdl());
    criterion.bench_function("document, read and measured", |bench| {
        bench.iter(|| Document::read(black_box(SEND), &limits, &types).is_ok());
    });
    let (room, position) = (RoomId::random(), Position { seq: Seq(1_234_567), tag: EntryTag::random() });
    let written = cursor::encode_event(room, position);
    criterion.bench_function("cursor, written", |bench| bench.iter(|| cursor::encode_event(black_box(room), position)));
    criterion
        .bench_function("cursor, read", |bench| bench.iter(|| cursor::decode_event(room, black_box(&written)).is_ok()));
}

/// The service as `http` mounts it, over the embedded store.
fn service(criterion: &mut Criterion) {
    let house = House::build();
    let room = house.ask(CREATE, &json!({}))["createRoom"]["room"].clone();
    let mut user = User::default();
    for _ in 0..100 {
        house.send(&room, &mut user);
    }
    criterion.bench_function("a send", |bench| bench.iter(|| house.send(&room, &mut user)));
    criterion.bench_function("reading the last 50 messages", |bench| bench.iter(|| house.ask(LAST, &room)));
    let mut readers: Vec<_> = (0..READERS).map(|_| house.follow(&room)).collect();
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(READERS));
    group.bench_function("a send, and its event at each of 100 readers", |bench| {
        bench.iter(|| {
            house.send(&room, &mut user);
            house.runtime.block_on(async {
                for reader in &mut readers {
                    hear_event(reader).await;
                }
            });
        });
    });
    group.finish();
}

/// A server without a network.
struct House {
    runtime: Runtime,
    router: Router,
    _directory: TempDir,
}

#[derive(Default)]
struct User {
    id: Value,
    token: Value,
}

impl House {
    fn build() -> Self {
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

    /// The data of an answer.
    fn ask(&self, query: &str, variables: &Value) -> Value {
        self.runtime.block_on(async {
            let body = self.request(query, variables, "application/json").await.collect().await.expect("an answer");
            let answer: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
            assert!(answer.get("errors").is_none(), "{answer}");
            answer["data"].clone()
        })
    }

    fn send(&self, room: &Value, user: &mut User) {
        let input = json!({ "roomId": room["id"], "roomCode": room["code"], "userId": user.id, "token": user.token,
            "text": "what somebody says in some forty characters" });
        let sent = &self.ask(SEND, &json!({ "input": input }))["sendMessage"];
        *user = User { id: sent["author"]["id"].clone(), token: sent["token"].clone() };
    }

    /// A stream of events, which is live when this returns.
    fn follow(&self, room: &Value) -> Body {
        self.runtime.block_on(async {
            let mut stream = self.request(EVENTS, room, "text/event-stream").await;
            stream.frame().await.expect("a beginning").expect("a beginning");
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

async fn hear_event(stream: &mut Body) {
    loop {
        let frame = stream.frame().await.expect("a stream that goes on").expect("a stream that goes on");
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
