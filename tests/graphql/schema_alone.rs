//! The schema without our execution and transports: served by the stock subscription service of async-graphql-axum.

use std::sync::Arc;
use std::time::Duration;

use async_graphql_axum::GraphQLSubscription;
use axum::Router;
use livechat::chat::{Chat, Settings};
use livechat::config::Config;
use livechat::graphql::{Schema, schema_builder};
use livechat::hub::Hub;
use livechat::store::embedded::EmbeddedStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::client::{RoomKey, text};
use crate::support::socket::{Socket, events_after, events_of};

/// A server of nothing but the schema.
struct StockServer {
    address: String,
    schema: Schema,
    _directory: TempDir,
}

impl StockServer {
    /// Starts a server whose rooms live this long.
    async fn start(room_ttl: Duration) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(EmbeddedStore::open(directory.path()).expect("a store"));
        let config = Config::from_values(&Default::default()).expect("the defaults");
        let settings = Settings { room_ttl, ..config.chat };
        let chat = Chat::new(store.clone(), Hub::start(store), settings, config.access, config.rate_limit);
        let schema = schema_builder(chat).finish();
        let service = GraphQLSubscription::new(schema.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let router = Router::new().route_service("/graphql", service);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, schema, _directory: directory }
    }

    /// Executes a query or a mutation without a transport.
    async fn execute(&self, query: &str) -> Value {
        let response = self.schema.execute(query).await;
        assert!(response.is_ok(), "{:?}", response.errors);
        response.data.into_json().expect("JSON")
    }

    /// Creates a room. Also returns the cursor at its beginning.
    async fn create_room(&self) -> (RoomKey, String) {
        let created = self.execute("mutation { createRoom { room { id code cursor } } }").await;
        let room = &created["createRoom"]["room"];
        (RoomKey { id: text(&room["id"]), code: text(&room["code"]) }, text(&room["cursor"]))
    }
}

/// The next event of operation `id`.
async fn next_event(socket: &mut Socket, id: &str) -> Value {
    let message = socket.receive().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
    message["payload"]["data"]["messageEvents"].clone()
}

#[tokio::test]
async fn a_subscription_yields_every_change_in_order_and_resumes_from_a_cursor() {
    let server = StockServer::start(Duration::from_secs(3_600)).await;
    let (room, start) = server.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    socket.subscribe("live", &events_after(&room, &start), json!({})).await;
    let RoomKey { id, code } = &room;
    let in_room = format!(r#"roomId: "{id}", roomCode: "{code}""#);
    let mut user = r#"userId: "a user of ours""#.to_owned();
    let mut message_id = String::new();
    for n in 0..20 {
        let send = format!(
            r#"mutation {{ sendMessage(input: {{ {in_room}, {user}, text: "message {n}" }}) {{ token message {{ id }} }} }}"#
        );
        let sent = &server.execute(&send).await["sendMessage"];
        message_id = text(&sent["message"]["id"]);
        user = format!(r#"userId: "a user of ours", token: "{}""#, text(&sent["token"]));
        let event = next_event(&mut socket, "live").await;
        let shown = (&event["__typename"], &event["message"]["text"]);
        assert_eq!(shown, (&json!("MessageSent"), &json!(format!("message {n}"))));
    }
    let delete = format!(
        r#"mutation {{ deleteMessage(input: {{ {in_room}, {user}, messageId: "{message_id}" }}) {{ cursor }} }}"#
    );
    server.execute(&delete).await;
    assert_eq!(next_event(&mut socket, "live").await["__typename"], "MessageDeleted");
    let mut resumed = Socket::ready(&server.address).await;
    resumed.subscribe("again", &events_after(&room, &start), json!({})).await;
    for n in 0..19 {
        assert_eq!(next_event(&mut resumed, "again").await["message"]["text"], format!("message {n}"));
    }
    // A replayed event shows its message in its current state.
    for kind in ["MessageSent", "MessageDeleted"] {
        let event = next_event(&mut resumed, "again").await;
        assert_eq!((&event["__typename"], &event["message"]["text"]), (&json!(kind), &Value::Null));
    }
}

#[tokio::test]
async fn a_subscription_completes_when_its_room_ends() {
    let server = StockServer::start(Duration::from_secs(4)).await;
    let (room, _) = server.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    socket.subscribe("1", &events_of(&room), json!({})).await;
    assert_eq!(socket.receive().await, json!({ "type": "complete", "id": "1" }));
}

#[tokio::test]
async fn a_refused_subscription_has_the_code_of_its_error() {
    let server = StockServer::start(Duration::from_secs(3_600)).await;
    let (room, start) = server.create_room().await;
    let (other, _) = server.create_room().await;
    let mut socket = Socket::ready(&server.address).await;
    let wrong_code = RoomKey { id: room.id.clone(), code: "wrong".to_owned() };
    let no_room = RoomKey { id: "0".repeat(32), code: room.code.clone() };
    for (id, query, code) in [
        ("1", events_of(&wrong_code), "ROOM_CODE_INVALID"),
        ("2", events_of(&no_room), "ROOM_NOT_FOUND"),
        ("3", events_after(&other, &start), "CURSOR_INVALID"),
    ] {
        socket.subscribe(id, &query, json!({})).await;
        let message = socket.receive().await;
        let error = &message["payload"]["errors"][0];
        assert_eq!((&message["id"], &error["extensions"]["code"]), (&json!(id), &json!(code)), "{message}");
        assert_eq!(error["path"], json!(["messageEvents"]));
        assert_eq!(socket.receive().await, json!({ "type": "complete", "id": id }));
    }
}
