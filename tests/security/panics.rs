//! A panic fails one request and reveals nothing. It ends the process only if a critical task panicked.

use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use livechat::chat::Chat;
use livechat::config::Config;
use livechat::domain::event::Event;
use livechat::domain::page::Window;
use livechat::domain::position::Position;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::TokenHash;
use livechat::domain::user::UserId;
use livechat::graphql::transport::Drain;
use livechat::hub::Hub;
use livechat::metrics::Metrics;
use livechat::store::embedded::EmbeddedStore;
use livechat::store::{
    ActiveRooms, Admission, Admitted, AttemptLimits, AttemptingClient, CodeAttempt, Commit, Committed, FailureCounters,
    FailureOutcome, FailureRecord, Feed, LockoutPolicy, NewMessage, RoomState, Sent, Snapshot, Store, StoreError,
    Subject, UserPage,
};
use livechat::telemetry::{self, LogFormat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;
use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, http, post};

/// Part of every panic message.
const SECRET: &str = "open-sesame";

/// A store that panics on demand.
struct PanickingStore {
    inner: EmbeddedStore,
    /// Calls of each kind that succeed before the next one panics.
    snapshots: AtomicU32,
    log_reads: AtomicU32,
    reports: AtomicU32,
}

const NEVER: u32 = u32::MAX / 2;

/// Counts a call, and panics if none is left.
fn count_down(calls: &AtomicU32) {
    let left = calls.load(Ordering::SeqCst);
    assert!(left > 0, "a panic with {SECRET}");
    calls.store(left - 1, Ordering::SeqCst);
}

#[async_trait]
impl FailureCounters for PanickingStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        self.inner.record_failure(subject, policy).await
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.inner.undo_failure(subject, record).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a default body would bypass the wrapped store")]
#[async_trait]
impl Store for PanickingStore {
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        self.inner.create_room(id, code, ttl).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        count_down(&self.snapshots);
        self.inner.snapshot(room, window).await
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.inner.users(room, window).await
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.inner.active_rooms(after, limit).await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.inner.authenticate(admission).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.inner.forget_new_user(user, token).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.inner.commit(commit).await
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        self.inner.send(admission, message).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        count_down(&self.log_reads);
        self.inner.read_log(room, after, limit).await
    }

    fn feed(&self) -> Feed {
        self.inner.feed()
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.subscribe(room)
    }

    fn unsubscribe(&self, room: RoomId) {
        self.inner.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        count_down(&self.reports);
        self.inner.report_viewers(counts).await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        self.inner.viewers_elsewhere(rooms).await
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        self.inner.begin_code_attempt(room, client, limits).await
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        self.inner.trust_client(room, client, counted).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// The service in this process, over a store that panics.
struct TestServer {
    address: String,
    client: Client,
    store: Arc<PanickingStore>,
    hub: Hub,
    _directory: TempDir,
}

impl TestServer {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = EmbeddedStore::open(directory.path()).expect("a store");
        let (snapshots, log_reads, reports) = (NEVER.into(), NEVER.into(), NEVER.into());
        let store = Arc::new(PanickingStore { inner, snapshots, log_reads, reports });
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
    server.store.snapshots.store(0, Ordering::SeqCst);
    let legacy = json!({ "room_id": format!("room:*{}", room.id), "room_code": room.code });
    for request in [
        post(server.client.url(), "application/json", &room_query(&room), json!({})),
        http().post(server.url("/room")).json(&legacy),
    ] {
        let answer = Stream::of(request.header("origin", "http://example.com")).await;
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
    server.store.snapshots.store(NEVER, Ordering::SeqCst);
    assert_eq!(server.client.of_room(&room, "id").await["id"], room.id.as_str());
}

#[tokio::test]
async fn a_panicking_operation_does_not_affect_others_of_its_socket() {
    let server = TestServer::start().await;
    let room = server.client.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    socket.follow("1", &server.client, &room).await;
    server.store.snapshots.store(0, Ordering::SeqCst);
    socket.subscribe("2", &room_query(&room), json!({})).await;
    assert_eq!(socket.refusal("2").await, "INTERNAL");
    socket.subscribe("3", &events_of(&room), json!({})).await;
    assert_eq!(socket.refusal("3").await, "INTERNAL");
    server.store.snapshots.store(NEVER, Ordering::SeqCst);
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
        server.store.log_reads.store(1, Ordering::SeqCst);
        let body = Stream::of(post(server.client.url(), accept, &query, json!({}))).await.rest().await;
        assert!(body.matches("cursor").count() > 1, "some events come before the panic: {body}");
        assert!(body.contains("INTERNAL") && !body.contains(SECRET), "{body}");
    }
    server.store.log_reads.store(1, Ordering::SeqCst);
    let mut socket = Socket::ready(&server.address).await;
    socket.subscribe("1", &query, json!({})).await;
    let last = loop {
        let said = socket.receive().await;
        if said["type"] != "next" {
            break said;
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
    server.store.reports.store(0, Ordering::SeqCst);
    timeout(PATIENCE, server.hub.critical_tasks().failed()).await.expect("the hub reports the panic");
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
    assert!(
        lines
            .iter()
            .all(|line| line["level"] == "ERROR" && line["location"].as_str().is_some_and(|p| p.contains(".rs:")))
    );
    assert_eq!(lines[1]["reason"], "text from the source code");
    assert!(!log.contains(SECRET), "{log}");
}
