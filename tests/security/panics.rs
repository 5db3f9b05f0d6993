//! A panic fails one request and reveals nothing. It ends the process only if a critical task panicked.

use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use livechat::chat::Chat;
use livechat::config::Config;
use livechat::graphql::transport::Drain;
use livechat::hub::Hub;
use livechat::metrics::Metrics;
use livechat::store::embedded::EmbeddedStore;
use livechat::telemetry::{self, LogFormat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::store::conformance::faulty::{Call, Fault, FaultyStore, PANIC_SECRET};
use crate::support::TIMEOUT;
use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, http, post};

/// Part of a panic message that must not appear anywhere.
const SECRET: &str = PANIC_SECRET;

/// The service in this process, over a store that panics or fails on request.
pub struct TestServer {
    pub address: String,
    pub client: Client,
    pub store: Arc<FaultyStore>,
    hub: Hub,
    _directory: TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = EmbeddedStore::open(directory.path()).expect("a store");
        let store = FaultyStore::new(Arc::new(inner), Fault::None);
        let hub = Hub::start(store.clone());
        let config = Config::from_values(&Default::default()).expect("the defaults");
        let chat = Chat::new(store.clone(), hub.clone(), config.chat, config.access, config.rate_limit);
        let drain = Drain::new(CancellationToken::new(), config.drain);
        let router = livechat::http::router(&chat, config.http, &drain, &Metrics::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let client = Client::of(format!("http://{address}/graphql"));
        Self { address, client, store, hub, _directory: directory }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn room_query(room: &RoomKey) -> String {
    format!("{{ room(id: \"{}\", code: \"{}\") {{ id }} }}", room.id, room.code)
}

#[tokio::test]
async fn a_panicking_request_reveals_nothing_and_later_requests_succeed() {
    let server = TestServer::start().await;
    let room = server.client.create_room().await;
    server.store.panic_after(Call::Snapshot, 0);
    let legacy = json!({ "room_id": format!("room:*{}", room.id), "room_code": room.code });
    for request in [
        post(server.client.url(), "application/json", &room_query(&room), json!({})),
        http().post(server.url("/room")).json(&legacy),
    ] {
        let answer = Stream::open(request.header("origin", "http://example.com")).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "a browser can read the error");
        assert!(!answer.header("x-request-id").is_empty(), "its user can report the request");
        let body = answer.rest().await;
        assert!(!body.contains(SECRET) && !body.contains(".rs"), "{body}");
        match serde_json::from_str::<Value>(&body) {
            Ok(answer) => assert_eq!(error_code(&answer), "INTERNAL"),
            Err(_) => assert_eq!(body, "Internal Server Error"),
        }
    }
    server.store.stop_panics();
    assert_eq!(server.client.query_room(&room, "id").await["id"], room.id.as_str());
}

#[tokio::test]
async fn a_panicking_operation_does_not_affect_others_of_its_socket() {
    let server = TestServer::start().await;
    let room = server.client.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    socket.follow("1", &server.client, &room).await;
    server.store.panic_after(Call::Snapshot, 0);
    socket.subscribe("2", &room_query(&room), json!({})).await;
    assert_eq!(socket.refusal("2").await, "INTERNAL");
    socket.subscribe("3", &events_of(&room), json!({})).await;
    assert_eq!(socket.refusal("3").await, "INTERNAL");
    server.store.stop_panics();
    User::of(server.client.clone()).send(&room, "still here").await;
    assert_eq!(socket.next_text("1").await, "still here");
    assert!(!socket.raw.contains(SECRET), "{}", socket.raw);
}

#[tokio::test]
async fn every_transport_reports_a_panicking_subscription() {
    let server = TestServer::start().await;
    let room = server.client.create_room().await;
    let start = server.client.cursor(&room).await;
    let mut ada = User::of(server.client.clone());
    // More than one page of the log.
    for _ in 0..12 {
        ada.send(&room, &"x".repeat(4_000)).await;
    }
    let (id, code) = (&room.id, &room.code);
    let query = format!(
        "subscription {{ messageEvents(roomId: \"{id}\", roomCode: \"{code}\", after: \"{start}\") {{ cursor }} }}"
    );
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        server.store.panic_after(Call::ReadLog, 1);
        let body = Stream::open(post(server.client.url(), accept, &query, json!({}))).await.rest().await;
        assert!(body.matches("cursor").count() > 1, "some events come before the panic: {body}");
        assert!(body.contains("INTERNAL") && !body.contains(SECRET), "{body}");
    }
    server.store.panic_after(Call::ReadLog, 1);
    let mut socket = Socket::ready(&server.address).await;
    socket.subscribe("1", &query, json!({})).await;
    let last = loop {
        let received = socket.receive().await;
        if received["type"] != "next" {
            break received;
        }
    };
    assert_eq!((&last["type"], &last["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("INTERNAL")));
    socket.assert_no_message().await;
}

#[tokio::test]
async fn a_panicking_hub_task_is_reported() {
    let server = TestServer::start().await;
    let room = server.client.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    socket.follow("1", &server.client, &room).await;
    server.store.panic_after(Call::ReportViewers, 0);
    timeout(TIMEOUT, server.hub.critical_tasks().failed()).await.expect("the hub reports the panic");
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn a_process_that_panics() {
    let level = tracing::level_filters::LevelFilter::INFO;
    let settings = telemetry::Settings { format: LogFormat::Json, level, collector: None };
    telemetry::start(&settings).expect("a log");
    let text = format!("{SECRET}ä");
    let _ = std::panic::catch_unwind(|| text[..SECRET.len() + 1].len());
    let _ = std::panic::catch_unwind(|| panic!("text from the source code"));
}

#[test]
fn a_panic_is_one_log_line_without_user_data() {
    let own = env::current_exe().expect("the program of the tests");
    let mut run = Command::new(own);
    run.args(["--exact", "--ignored", "--nocapture", "security::panics::a_process_that_panics"]);
    let run = run.output().expect("its end");
    let log = String::from_utf8(run.stderr).expect("text");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in &lines {
        // Other tests look for these words in the log.
        assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("a thread panicked")), "{line}");
        assert!(line["location"].as_str().is_some_and(|location| location.contains(".rs:")), "{line}");
    }
    assert_eq!(lines[1]["reason"], "text from the source code");
    assert!(!log.contains(SECRET), "{log}");
}
