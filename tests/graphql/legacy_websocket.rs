//! The older `graphql-ws` protocol of subscriptions-transport-ws, message by message. The npm clients that speak it are tested in
//! `tests/clients/subscriptions-transport-ws.test.js`.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{RoomKey, User, error_code, text};
use crate::support::eventually;
use crate::support::http;
use crate::support::owner::OwnedRoom;
use crate::support::server::Server;
use crate::support::socket::{LEGACY_PROTOCOL, PROTOCOL, Refused, Socket, events_after, events_of};

/// A query that every server can answer.
const QUERY: &str = "{ activeRooms { totalCount } }";

async fn try_open(server: &Server) -> Result<Socket, Refused> {
    let (socket, chosen) = Socket::offering(server.address(), Some(LEGACY_PROTOCOL)).await?;
    assert_eq!(chosen.as_deref(), Some(LEGACY_PROTOCOL));
    Ok(socket)
}

async fn open(server: &Server) -> Socket {
    try_open(server).await.expect("a socket")
}

/// A socket that is acknowledged.
async fn ready(server: &Server) -> Socket {
    let mut socket = open(server).await;
    socket.send_json(json!({ "type": "connection_init", "payload": { "token": "ignored" } })).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    assert_eq!(socket.receive().await, json!({ "type": "ka" }));
    socket
}

fn start(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "start", "payload": { "query": query, "variables": {}, "operationName": null } })
}

fn stop(id: &str) -> Value {
    json!({ "id": id, "type": "stop" })
}

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete" })
}

/// The payload of the next message, which must be `data` of the operation `id`.
async fn data(socket: &mut Socket, id: &str) -> Value {
    let message = socket.receive().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("data"), &json!(id)), "{message}");
    message["payload"].clone()
}

async fn next_text(socket: &mut Socket, id: &str) -> Value {
    data(socket, id).await["data"]["messageEvents"]["message"]["text"].clone()
}

/// The code with which the operation `id` is refused: in `data`, followed by `complete`.
async fn refusal(socket: &mut Socket, id: &str) -> String {
    let payload = data(socket, id).await;
    assert_eq!(payload["data"], Value::Null);
    assert_eq!(socket.receive().await, complete(id));
    error_code(&payload)
}

async fn assert_answers(socket: &mut Socket, id: &str) {
    socket.send_json(start(id, QUERY)).await;
    assert!(data(socket, id).await["data"]["activeRooms"]["totalCount"].is_u64());
    assert_eq!(socket.receive().await, complete(id));
}

/// Subscribes to a room and waits until the subscription is open.
async fn follow(socket: &mut Socket, id: &str, server: &Server, room: &RoomKey) {
    let viewers = server.client().query_room(room, "viewerCount").await["viewerCount"].as_u64().expect("a number");
    socket.send_json(start(id, &events_of(room))).await;
    server.client().wait_for_viewers(room, viewers as usize + 1).await;
}

/// Whether `/metrics` has this line.
async fn has_metric(server: &Server, line: &str) -> bool {
    http::Client::of(&server.url("")).get("/metrics").await.body.lines().any(|found| found == line)
}

#[tokio::test]
async fn the_older_protocol_is_chosen_only_if_the_newer_one_is_not_offered() {
    let server = Server::embedded();
    for (offer, expected) in [
        ("graphql-ws", LEGACY_PROTOCOL),
        ("soap, graphql-ws", LEGACY_PROTOCOL),
        ("graphql-ws, graphql-transport-ws", PROTOCOL),
        ("graphql-transport-ws, graphql-ws", PROTOCOL),
    ] {
        let (mut socket, chosen) = Socket::offering(server.address(), Some(offer)).await.expect("a socket");
        assert_eq!(chosen.as_deref(), Some(expected), "of {offer}");
        socket.send_json(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    }
}

#[tokio::test]
async fn a_room_is_followed_until_the_client_stops_and_other_operations_go_on() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let (one, two) = (client.create_room().await, client.create_room().await);
    let mut socket = ready(&server).await;
    follow(&mut socket, "one", &server, &one).await;
    follow(&mut socket, "two \"ü", &server, &two).await;
    assert!(has_metric(&server, r#"livechat_sockets{protocol="graphql-ws"} 1"#).await);
    assert!(has_metric(&server, r#"livechat_subscriptions{transport="legacy_websocket"} 2"#).await);
    ada.send(&one, "to one").await;
    assert_eq!(next_text(&mut socket, "one").await, "to one");
    ada.send(&two, "to two").await;
    assert_eq!(next_text(&mut socket, "two \"ü").await, "to two");
    assert_answers(&mut socket, "three").await;
    socket.send_all(&[stop("one"), stop("one"), stop("never started")]).await;
    assert_eq!(socket.receive().await, complete("one"));
    client.wait_for_viewers(&one, 0).await;
    ada.send(&one, "to nobody").await;
    ada.send(&two, "to two again").await;
    assert_eq!(next_text(&mut socket, "two \"ü").await, "to two again");
    drop(socket);
    client.wait_for_viewers(&two, 0).await;
}

#[tokio::test]
async fn a_subscription_resumes_after_its_cursor_and_completes_with_its_room() {
    let server = Server::embedded();
    let mut ada = User::of(server.client());
    let owned = OwnedRoom::create(&server.client()).await;
    let (room, cursor) = (&owned.key, &owned.start);
    for n in 0..100 {
        ada.send(room, &n.to_string()).await;
    }
    let mut socket = ready(&server).await;
    socket.send_json(start("argument", &events_after(room, cursor))).await;
    for n in 0..100 {
        assert_eq!(next_text(&mut socket, "argument").await, n.to_string());
    }
    let payload = json!({ "query": events_of(room), "extensions": { "lastEventId": cursor } });
    socket.send_json(json!({ "id": "extension", "type": "start", "payload": payload })).await;
    for n in 0..100 {
        assert_eq!(next_text(&mut socket, "extension").await, n.to_string());
    }
    owned.end().await;
    let ends = [socket.receive().await, socket.receive().await];
    assert!(ends.contains(&complete("argument")) && ends.contains(&complete("extension")), "{ends:?}");
}

#[tokio::test]
async fn queries_and_mutations_are_answered_with_one_data_message_and_complete() {
    let server = Server::embedded();
    let mut socket = ready(&server).await;
    socket.send_json(start("1", "mutation { createRoom { room { id code } } }")).await;
    let room = data(&mut socket, "1").await["data"]["createRoom"]["room"].clone();
    assert_eq!(socket.receive().await, complete("1"));
    let room = RoomKey { id: text(&room["id"]), code: text(&room["code"]) };
    let long = "\u{1f980}".repeat(4_000);
    let mut ada = User::of(server.client());
    for _ in 0..30 {
        ada.send(&room, &long).await;
    }
    let query = "query Q($id: ID!, $code: String!) { room(id: $id, code: $code) { messages { nodes { text } } } }";
    let payload = json!({ "query": query, "operationName": "Q", "variables": { "id": room.id, "code": room.code } });
    socket.send_json(json!({ "id": "2", "type": "start", "payload": payload })).await;
    let nodes = data(&mut socket, "2").await["data"]["room"]["messages"]["nodes"].clone();
    assert!(nodes.as_array().is_some_and(|nodes| nodes.len() == 30 && nodes.iter().all(|node| node["text"] == long)));
    assert_eq!(socket.receive().await, complete("2"));
}

#[tokio::test]
async fn refused_operations_have_the_usual_codes_and_the_socket_stays_open() {
    let server =
        Server::with(&[("DOCUMENT_MAX_TOKENS", "60"), ("RATE_LIMITS", "on"), ("RATE_READS_PER_CLIENT", "1/s:400")]);
    let client = server.client();
    let room = client.create_room().await;
    let wrong_code = RoomKey { code: "wrong".to_owned(), ..room.clone() };
    let mut socket = ready(&server).await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        (&"{ __typename }".repeat(30), "TOO_MANY_TOKENS"),
        (&events_of(&wrong_code), "ROOM_CODE_INVALID"),
        (&events_after(&room, "made up"), "CURSOR_INVALID"),
        ("{ activeRooms(first: 100) { nodes { id name createdAt } } }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        socket.send_json(start("1", query)).await;
        assert_eq!(refusal(&mut socket, "1").await, code, "{query}");
    }
    client.wait_for_viewers(&room, 0).await;
    follow(&mut socket, "2", &server, &room).await;
    let mut code = None;
    while code.is_none() {
        socket.send_json(start("1", "{ activeRooms(first: 100) { nodes { id } } }")).await;
        let payload = data(&mut socket, "1").await;
        assert_eq!(socket.receive().await, complete("1"));
        code = payload.get("errors").map(|_| error_code(&payload));
    }
    assert_eq!(code.as_deref(), Some("RATE_LIMITED"));
}

#[tokio::test]
async fn a_payload_that_cannot_be_parsed_is_an_error_message_of_its_operation() {
    let server = Server::embedded();
    let mut socket = ready(&server).await;
    for (payload, code) in [
        ("{}", "BAD_REQUEST"),
        (r#"{"query":1}"#, "BAD_REQUEST"),
        (r#"{"query":"{a}","variables":"marker"}"#, "BAD_REQUEST"),
        (r#"{"query":"{a}","variables":{"a":"\ud800"}}"#, "VALIDATION_FAILED"),
        (r#"{"query":"{a}","extensions":{"lastEventId":1}}"#, "CURSOR_INVALID"),
    ] {
        socket.send(Message::text(format!(r#"{{"id":"1","type":"start","payload":{payload}}}"#))).await;
        let message = socket.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
        assert_eq!(message["payload"]["extensions"]["code"], code, "{message}");
        assert!(!message.to_string().contains("marker"), "nothing is echoed");
    }
    let persisted = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } } });
    socket.send_json(json!({ "id": "1", "type": "start", "payload": persisted })).await;
    assert_eq!(refusal(&mut socket, "1").await, "PERSISTED_QUERY_NOT_FOUND");
    assert_answers(&mut socket, "1").await;
}

#[tokio::test]
async fn violations_of_the_protocol_close_the_socket_with_the_codes_of_the_newer_one() {
    let server = Server::with(&[("WS_INIT_TIMEOUT", "4s")]);
    let mut silent = open(&server).await;
    for (message, code) in [
        ("marker".to_owned(), 4400),
        ("[]".to_owned(), 4400),
        (r#"{"type":"marker"}"#.to_owned(), 4400),
        (r#"{"type":"ping"}"#.to_owned(), 4400),
        (r#"{"type":"subscribe","id":"1","payload":{"query":"{a}"}}"#.to_owned(), 4400),
        (r#"{"type":"start","payload":{"query":"{a}"}}"#.to_owned(), 4400),
        (r#"{"type":"start","id":"1","payload":[]}"#.to_owned(), 4400),
        (r#"{"type":"stop"}"#.to_owned(), 4400),
        (r#"{"type":"connection_init"}"#.to_owned(), 4429),
        (format!(r#"{{"type":"stop","id":"{}"}}"#, "x".repeat(64 * 1024)), 1009),
    ] {
        let mut socket = ready(&server).await;
        socket.send(Message::text(message.clone())).await;
        let (closed, reason) = socket.close_frame().await;
        assert_eq!(closed, code, "after {message:.100}");
        assert!(!reason.contains("marker"));
    }
    let mut socket = ready(&server).await;
    socket.send(Message::binary(br#"{"type":"stop","id":"1"}"#.to_vec())).await;
    assert_eq!(socket.close_frame().await.0, 4400);
    let mut hasty = open(&server).await;
    hasty.send_json(start("1", "mutation { createRoom { room { id } } }")).await;
    assert_eq!(hasty.close_frame().await.0, 4401);
    assert_eq!(silent.close_frame().await.0, 4408);
    assert_eq!(server.client().data(QUERY, json!({})).await["activeRooms"]["totalCount"], 0);
}

#[tokio::test]
async fn connection_terminate_ends_the_connection_and_its_subscriptions() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    let mut socket = ready(&server).await;
    follow(&mut socket, "1", &server, &room).await;
    socket.send_json(json!({ "type": "connection_terminate" })).await;
    assert_eq!(socket.close_frame().await.0, 1000);
    server.client().wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn an_idle_socket_gets_keep_alives_and_pings_and_is_closed_if_it_answers_no_ping() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "2s")]);
    let mut socket = ready(&server).await;
    let dead = ready(&server).await.into_connection();
    for _ in 0..3 {
        assert!(matches!(socket.next_frame().await, Some(Message::Ping(_))));
        assert_eq!(socket.receive().await, json!({ "type": "ka" }));
    }
    assert_answers(&mut socket, "1").await;
    eventually("the silent socket is closed", async || {
        has_metric(&server, r#"livechat_sockets{protocol="graphql-ws"} 1"#).await
    })
    .await;
    drop(dead);
}

#[tokio::test]
async fn operations_on_one_socket_are_limited_and_a_repeated_id_replaces_its_operation() {
    let server = Server::with(&[("MAX_SUBSCRIPTIONS_PER_SOCKET", "2")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut socket = ready(&server).await;
    follow(&mut socket, "1", &server, &room).await;
    follow(&mut socket, "2", &server, &room).await;
    socket.send_json(start("3", &events_of(&room))).await;
    assert_eq!(refusal(&mut socket, "3").await, "TOO_MANY_SUBSCRIPTIONS");
    socket.send_json(stop("1")).await;
    assert_eq!(socket.receive().await, complete("1"));
    client.wait_for_viewers(&room, 1).await;
    follow(&mut socket, "1", &server, &room).await;
    socket.send_json(stop("1")).await;
    assert_eq!(socket.receive().await, complete("1"));
    socket.send_json(start("2", &events_of(&room))).await;
    eventually("the first one is replaced", async || client.query_room(&room, "viewerCount").await["viewerCount"] == 1)
        .await;
    ada.send(&room, "once").await;
    assert_eq!(next_text(&mut socket, "2").await, "once");
    assert_answers(&mut socket, "3").await;
}

#[tokio::test]
async fn sockets_of_the_older_protocol_are_bounded_in_total_and_per_address() {
    let server = Server::with(&[("MAX_LEGACY_SOCKETS", "1"), ("MAX_SOCKETS_PER_ADDRESS", "2")]);
    let first = ready(&server).await;
    assert_eq!(try_open(&server).await.err(), Some(Refused(503, "OVERLOADED".into())));
    let _newer = Socket::ready(server.address()).await;
    assert_eq!(try_open(&server).await.err(), Some(Refused(429, "TOO_MANY_SOCKETS".into())));
    drop(first);
    eventually("a socket can be opened again", async || try_open(&server).await.is_ok()).await;
    let off = Server::with(&[("MAX_LEGACY_SOCKETS", "0")]);
    assert_eq!(try_open(&off).await.err(), Some(Refused(503, "OVERLOADED".into())));
    Socket::ready(off.address()).await;
}

#[tokio::test]
async fn pages_of_other_sites_cannot_open_a_socket_in_the_older_protocol() {
    let server = Server::with(&[("CORS_ORIGINS", "https://chat.example.org")]);
    let open = async |origin: &str| {
        let headers = format!("Origin: {origin}\r\nSec-WebSocket-Protocol: {LEGACY_PROTOCOL}\r\n");
        Socket::with_headers(server.address(), &headers).await.err()
    };
    assert_eq!(open("https://elsewhere.example").await, Some(Refused(403, "ORIGIN_NOT_ALLOWED".into())));
    assert_eq!(open("https://chat.example.org").await, None);
}

#[tokio::test]
async fn a_server_that_stops_closes_sockets_of_the_older_protocol_so_that_they_reconnect() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let room = server.client().create_room().await;
    let mut socket = ready(&server).await;
    follow(&mut socket, "1", &server, &room).await;
    server.signal("TERM");
    assert_eq!(socket.close_frame().await, (1012, "Service restart".to_owned()));
    assert!(server.wait_for_exit().await.success());
}

#[tokio::test]
async fn a_long_replay_does_not_delay_the_other_operations_of_its_socket() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let cursor = client.cursor(&room).await;
    for n in 0..300 {
        ada.send(&room, &n.to_string()).await;
    }
    let mut socket = ready(&server).await;
    socket.send_all(&[start("one", &events_after(&room, &cursor)), start("two", &events_after(&room, &cursor))]).await;
    let mut received = [0; 2];
    while !received.contains(&300) {
        let message = socket.receive().await;
        assert_eq!(message["type"], "data", "{message}");
        received[usize::from(message["id"] == "two")] += 1;
    }
    assert!(received.iter().all(|events| *events >= 100), "{received:?}");
}
