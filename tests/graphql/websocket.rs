//! The `graphql-transport-ws` protocol, message by message: with clients that keep to it and clients that do not.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::client::{RoomKey, User, error_code, text};
use crate::support::eventually;
use crate::support::server::Server;
use crate::support::socket::{PROTOCOL, Refused, Socket, events_after, events_of, is_fatal_close_code, subscribe};

/// A query that every server can answer.
const QUERY: &str = "{ activeRooms { totalCount } }";

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete" })
}

/// Sends [`QUERY`] and asserts its result.
async fn assert_answers(socket: &mut Socket, id: &str) {
    socket.subscribe(id, QUERY, json!({})).await;
    let next = socket.receive().await;
    assert_eq!((&next["id"], &next["type"]), (&json!(id), &json!("next")), "{next}");
    assert!(next["payload"]["data"]["activeRooms"]["totalCount"].is_u64(), "{next}");
    assert_eq!(socket.receive().await, complete(id));
}

#[tokio::test]
async fn an_invalid_message_closes_the_socket_with_4400_and_is_not_echoed() {
    let server = Server::embedded();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let cases = [
        "".to_owned(),
        "marker".to_owned(),
        "null".to_owned(),
        "1".to_owned(),
        "[]".to_owned(),
        r#"["pong"]"#.to_owned(),
        r#"[{"type":"ping"}]"#.to_owned(),
        "{}".to_owned(),
        r#"{"type":null}"#.to_owned(),
        r#"{"type":1}"#.to_owned(),
        r#"{"type":["ping"]}"#.to_owned(),
        r#"{"type":"marker"}"#.to_owned(),
        format!(r#"{{"type":"{}"}}"#, "marker".repeat(1_000)),
        r#"{"type":"start","id":"marker","payload":{"query":"{a}"}}"#.to_owned(),
        r#"{"type":"ka"}"#.to_owned(),
        r#"{"type":"next","id":"marker","payload":{}}"#.to_owned(),
        r#"{"type":"connection_ack"}"#.to_owned(),
        r#"{"type":"ping"} marker"#.to_owned(),
        r#"{"type":"ping","payload":"marker"}"#.to_owned(),
        r#"{"type":"pong","payload":["marker"]}"#.to_owned(),
        r#"{"type":"complete"}"#.to_owned(),
        r#"{"type":"complete","id":""}"#.to_owned(),
        r#"{"type":"complete","id":1}"#.to_owned(),
        r#"{"type":"complete","id":"\ud800"}"#.to_owned(),
        r#"{"type":"subscribe","payload":{"query":"marker"}}"#.to_owned(),
        r#"{"type":"subscribe","id":"","payload":{"query":"marker"}}"#.to_owned(),
        r#"{"type":"subscribe","id":1,"payload":{"query":"marker"}}"#.to_owned(),
        r#"{"type":"subscribe","id":"marker"}"#.to_owned(),
        r#"{"type":"subscribe","id":"marker","payload":null}"#.to_owned(),
        r#"{"type":"subscribe","id":"marker","payload":"{a}"}"#.to_owned(),
        r#"{"type":"subscribe","id":"marker","payload":["{a}",null,null,null]}"#.to_owned(),
        deep("[", "]"),
        deep(r#"{"a":"#, "}"),
    ];
    let cases = cases.into_iter().map(Message::text).chain([
        Message::binary(br#"{"type":"ping"}"#.to_vec()),
        // The server closes the connection before it has read all of this, and still delivers the close frame.
        Message::binary(vec![b'x'; 100_000]),
        Message::Frame(Frame::message(b"\"\xff\xfe\"".to_vec(), OpCode::Data(Data::Text), true)),
    ]);
    for case in cases {
        let mut socket = Socket::ready(server.address()).await;
        let shown = format!("{case:?}");
        socket.send(case).await;
        let (code, reason) = socket.close_frame().await;
        assert_eq!(code, 4400, "after {shown:.200}");
        assert!(reason.len() <= 123 && !reason.contains("marker"), "{reason:?} after {shown:.200}");
    }
    for payload in ["1", "[]", "[{}]", r#"{"resume":1}"#, r#"{"resume":[]}"#, r#"{"resume":{"marker":1}}"#] {
        let mut socket = Socket::open(server.address()).await;
        socket.send(Message::text(format!(r#"{{"type":"connection_init","payload":{payload}}}"#))).await;
        assert_eq!(socket.close_frame().await.0, 4400, "after {payload}");
    }
    assert_answers(&mut Socket::ready(server.address()).await, "1").await;
}

#[tokio::test]
async fn a_message_may_have_64_kib_and_a_longer_one_closes_the_socket_for_good() {
    let server = Server::embedded();
    let message = |length: usize| {
        let empty = json!({ "type": "ping", "payload": { "a": "" } }).to_string().len();
        json!({ "type": "ping", "payload": { "a": "x".repeat(length - empty) } })
    };
    let mut socket = Socket::ready(server.address()).await;
    socket.send_json(message(64 * 1024)).await;
    assert_eq!(socket.receive().await["type"], "pong");
    socket.send_json(message(64 * 1024 + 1)).await;
    assert!(is_fatal_close_code(socket.close_frame().await.0));
    // The same for a message that the server does not read to its end.
    let mut socket = Socket::ready(server.address()).await;
    socket.send_json(message(1024 * 1024)).await;
    assert!(is_fatal_close_code(socket.close_frame().await.0));
}

#[tokio::test]
async fn nothing_is_executed_before_the_connection_is_acknowledged() {
    let server = Server::embedded();
    let mut socket = Socket::open(server.address()).await;
    socket.subscribe("1", "mutation { createRoom { room { id } } }", json!({})).await;
    assert_eq!(socket.close_frame().await, (4401, "Unauthorized".to_owned()));
    let rooms = server.client().data(QUERY, json!({})).await;
    assert_eq!(rooms["activeRooms"]["totalCount"], 0);
}

#[tokio::test]
async fn graphql_transport_ws_is_preferred_and_a_socket_without_a_known_protocol_is_closed_with_4406() {
    let server = Server::embedded();
    for offer in [
        PROTOCOL.to_owned(),
        format!("graphql-ws, {PROTOCOL}"),
        format!("{PROTOCOL}, graphql-ws"),
        format!("graphql-ws,{PROTOCOL},soap"),
    ] {
        let (mut socket, chosen) = Socket::offering(server.address(), Some(&offer)).await.expect("a socket");
        assert_eq!(chosen.as_deref(), Some(PROTOCOL), "of {offer}");
        socket.send_json(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    }
    for offer in [None, Some("graphql-ws2"), Some("soap, graphql-transport-ws2"), Some("GraphQL-Transport-WS")] {
        let (mut socket, chosen) = Socket::offering(server.address(), offer).await.expect("a socket");
        assert_eq!(chosen, None, "of {offer:?}");
        assert_eq!(socket.close_frame().await, (4406, "Subprotocol not acceptable".to_owned()), "after {offer:?}");
    }
}

#[tokio::test]
async fn a_socket_without_connection_init_in_time_is_closed_with_4408() {
    let server = Server::with(&[("WS_INIT_TIMEOUT", "3s")]);
    let mut silent = Socket::open(server.address()).await;
    let mut busy = Socket::open(server.address()).await;
    let mut ready = Socket::ready(server.address()).await;
    busy.assert_no_message().await;
    let expected = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(silent.close_frame().await, expected);
    assert_eq!(busy.close_frame().await, expected, "a ping is not connection_init");
    assert_answers(&mut ready, "1").await;
}

#[tokio::test]
async fn an_id_that_is_in_use_closes_the_socket_with_4409() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("twice", &client, &room).await;
    socket.subscribe("twice", QUERY, json!({})).await;
    assert_eq!(socket.close_frame().await.0, 4409);
    client.wait_for_viewers(&room, 0).await;

    let mut socket = Socket::ready(server.address()).await;
    socket.send_all(&[subscribe("twice", QUERY, json!({})), subscribe("twice", QUERY, json!({}))]).await;
    assert_eq!(socket.close_frame().await.0, 4409, "also while a query is in progress");
}

#[tokio::test]
async fn an_id_can_be_reused_as_soon_as_its_operation_has_ended() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    for n in 0..20 {
        ada.send(&room, &n.to_string()).await;
    }
    let mut socket = Socket::ready(server.address()).await;
    for _ in 0..50 {
        assert_answers(&mut socket, "again").await;
        socket.subscribe("again", "{ nonsense }", json!({})).await;
        assert_eq!(socket.refusal("again").await, "GRAPHQL_VALIDATION_FAILED");
    }
    // Also if the client completes it, while other operations have many events.
    for n in 0..10 {
        socket.subscribe(&format!("other {n}"), &events_after(&room, &start), json!({})).await;
        socket.send_all(&[subscribe("again", &events_of(&room), json!({})), complete("again")]).await;
        socket.subscribe("again", QUERY, json!({})).await;
        while socket.receive().await != complete("again") {}
    }
}

#[tokio::test]
async fn a_second_connection_init_closes_the_socket_with_4429() {
    let server = Server::embedded();
    let init = json!({ "type": "connection_init" });
    let mut socket = Socket::ready(server.address()).await;
    socket.send_json(init.clone()).await;
    let expected = (4429, "Too many initialisation requests".to_owned());
    assert_eq!(socket.close_frame().await, expected);
    let mut hasty = Socket::open(server.address()).await;
    hasty.send_all(&[init.clone(), init]).await;
    assert_eq!(hasty.receive().await, json!({ "type": "connection_ack" }));
    assert_eq!(hasty.close_frame().await, expected);
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_at_any_time_and_a_pong_is_ignored() {
    let server = Server::embedded();
    let mut early = Socket::open(server.address()).await;
    early.assert_no_message().await;
    early.send_json(json!({ "type": "connection_init" })).await;
    assert_eq!(early.receive().await, json!({ "type": "connection_ack" }));
    let payload = json!({ "at": 1, "nested": { "ü": [null, true, "\n"] } });
    early.send_json(json!({ "type": "ping", "payload": payload })).await;
    assert_eq!(early.receive().await, json!({ "type": "pong", "payload": payload }));
    early.send_json(json!({ "type": "pong" })).await;
    early.send_json(json!({ "type": "pong", "payload": { "unasked": true } })).await;
    early.assert_no_message().await;
    // The same for a ping frame of WebSocket.
    early.send(Message::Ping(b"frame".to_vec().into())).await;
    assert_eq!(early.next_frame().await, Some(Message::Pong(b"frame".to_vec().into())));
}

#[tokio::test]
async fn a_failure_before_execution_is_an_error_message_and_the_socket_stays_open() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let nowhere = RoomKey { id: "0".repeat(32), ..room.clone() };
    let locked = RoomKey { code: "wrong".to_owned(), ..room.clone() };
    let mut socket = Socket::ready(server.address()).await;
    let two_fields = events_of(&room).replace("subscription {", "subscription { __typename ");
    let twice = {
        let field = events_of(&room).replace("subscription { ", "");
        let field = field.strip_suffix(" }").expect("a closing brace");
        format!("subscription {{ a: {field} b: {field} }}")
    };
    for (query, code) in [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($a: Int!) { activeRooms(first: $a) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { messageEvents { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        (&twice, "GRAPHQL_VALIDATION_FAILED"),
        (&two_fields, "GRAPHQL_VALIDATION_FAILED"),
        (&events_of(&nowhere), "ROOM_NOT_FOUND"),
        (&events_of(&locked), "ROOM_CODE_INVALID"),
        (&events_after(&room, "made up"), "CURSOR_INVALID"),
    ] {
        socket.subscribe("1", query, json!({})).await;
        assert_eq!(socket.refusal("1").await, code, "{query}");
        socket.assert_no_message().await;
    }
    client.wait_for_viewers(&room, 0).await;
    assert_answers(&mut socket, "1").await;
}

#[tokio::test]
async fn queries_and_mutations_are_answered_with_one_result_and_complete() {
    let server = Server::embedded();
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("ü\"1", "mutation { createRoom { room { id code } } }", json!({})).await;
    let made = socket.receive().await;
    assert_eq!((&made["id"], &made["type"]), (&json!("ü\"1"), &json!("next")));
    let room = &made["payload"]["data"]["createRoom"]["room"];
    assert_eq!(socket.receive().await, complete("ü\"1"));
    let room = RoomKey { id: text(&room["id"]), code: text(&room["code"]) };
    // A failure during execution is a result with errors.
    let query = "query($id: ID!) { room(id: $id, code: \"wrong\") { id } }";
    socket.subscribe("2", query, json!({ "id": room.id })).await;
    let failed = socket.receive().await;
    assert_eq!(failed["type"], "next");
    assert_eq!(error_code(&failed["payload"]), "ROOM_CODE_INVALID");
    assert_eq!(socket.receive().await, complete("2"));
    assert_answers(&mut socket, "3").await;
}

#[tokio::test]
async fn a_large_result_arrives_complete() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let long = "\u{1f980}".repeat(4_000);
    for _ in 0..30 {
        ada.send(&room, &long).await;
    }
    let mut socket = Socket::ready(server.address()).await;
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages { nodes { text } } } }";
    socket.subscribe("1", query, json!({ "id": room.id, "code": room.code })).await;
    let result = socket.receive().await;
    let nodes = result["payload"]["data"]["room"]["messages"]["nodes"].as_array().expect("nodes");
    assert!(nodes.len() == 30 && nodes.iter().all(|node| node["text"] == long));
    assert_eq!(socket.receive().await, complete("1"));
}

#[tokio::test]
async fn after_complete_from_the_client_no_events_follow_and_the_viewer_is_gone() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("1", &client, &room).await;
    ada.send(&room, "received").await;
    assert_eq!(socket.next_text("1").await, "received");
    socket.send_all(&[complete("1"), complete("1"), complete("never there")]).await;
    client.wait_for_viewers(&room, 0).await;
    ada.send(&room, "not received").await;
    socket.assert_no_message().await;
    socket.follow("1", &client, &room).await;
    ada.send(&room, "received again").await;
    assert_eq!(socket.next_text("1").await, "received again");
}

#[tokio::test]
async fn one_socket_carries_several_operations_at_once() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let (one, two) = (client.create_room().await, client.create_room().await);
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("one", &client, &one).await;
    socket.follow("two", &client, &two).await;
    assert_answers(&mut socket, "three").await;
    ada.send(&one, "to one").await;
    assert_eq!(socket.next_text("one").await, "to one");
    ada.send(&two, "to two").await;
    assert_eq!(socket.next_text("two").await, "to two");
    socket.send_json(complete("one")).await;
    client.wait_for_viewers(&one, 0).await;
    ada.send(&one, "to nobody").await;
    ada.send(&two, "to two again").await;
    assert_eq!(socket.next_text("two").await, "to two again");
}

#[tokio::test]
async fn many_operations_with_many_events_deliver_all_of_them_in_order() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    for n in 0..150 {
        ada.send(&room, &n.to_string()).await;
    }
    let mut socket = Socket::ready(server.address()).await;
    for id in 0..20 {
        socket.subscribe(&id.to_string(), &events_after(&room, &start), json!({})).await;
    }
    let mut received = [0; 20];
    while received != [150; 20] {
        let message = socket.receive().await;
        let id: usize = text(&message["id"]).parse().expect("an id");
        assert_eq!(message["payload"]["data"]["messageEvents"]["message"]["text"], received[id].to_string());
        received[id] += 1;
    }
}

#[tokio::test]
async fn operations_in_progress_on_one_socket_are_limited() {
    let server = Server::with(&[("MAX_SUBSCRIPTIONS_PER_SOCKET", "2")]);
    let client = server.client();
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("1", &client, &room).await;
    socket.follow("2", &client, &room).await;
    socket.subscribe("3", &events_of(&room), json!({})).await;
    assert_eq!(socket.refusal("3").await, "TOO_MANY_SUBSCRIPTIONS");
    socket.send_json(complete("1")).await;
    client.wait_for_viewers(&room, 1).await;
    socket.follow("3", &client, &room).await;
    socket.assert_no_message().await;
}

#[tokio::test]
async fn sockets_of_one_address_are_limited_and_a_closed_one_makes_room() {
    let server = Server::with(&[("MAX_SOCKETS_PER_ADDRESS", "2")]);
    let first = Socket::ready(server.address()).await;
    let mut second = Socket::ready(server.address()).await;
    assert_eq!(Socket::try_open(server.address()).await.err(), Some(Refused(429, "TOO_MANY_SOCKETS".into())));
    assert_answers(&mut second, "1").await;
    drop(first);
    let third = async || Socket::try_open(server.address()).await.is_ok();
    eventually("a socket can be opened again", third).await;
}

#[tokio::test]
async fn a_reconnected_socket_resumes_each_operation_at_the_cursor_from_connection_init() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    ada.send(&room, "one").await;
    let middle = client.cursor(&room).await;
    ada.send(&room, "two").await;
    let end = client.cursor(&room).await;

    let resume = json!({ "token": "whatever", "resume": { "a": start, "b": middle, "c": "made up", "unknown": "?" } });
    let mut socket = Socket::ready_with(server.address(), resume).await;
    socket.subscribe("a", &events_of(&room), json!({})).await;
    assert_eq!(socket.next_text("a").await, "one");
    assert_eq!(socket.next_text("a").await, "two");
    // It takes precedence over the argument, which is older.
    socket.subscribe("b", &events_after(&room, &start), json!({})).await;
    assert_eq!(socket.next_text("b").await, "two");
    socket.subscribe("c", &events_after(&room, &start), json!({})).await;
    assert_eq!(socket.refusal("c").await, "CURSOR_INVALID");
    // It is used once: a new operation with the same id starts at its argument.
    socket.subscribe("c", &events_after(&room, &middle), json!({})).await;
    assert_eq!(socket.next_text("c").await, "two");
    socket.subscribe("d", &events_after(&room, &end), json!({})).await;
    socket.assert_no_message().await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays_open_and_one_that_does_not_is_closed_so_that_it_reconnects() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "2s")]);
    let mut idle = Socket::ready(server.address()).await;
    let mut dead = Socket::ready(server.address()).await.into_connection();
    let code = async {
        let (mut pings, mut head) = (0, [0; 2]);
        loop {
            dead.read_exact(&mut head).await.expect("a frame");
            match head {
                [0x89, 0] => pings += 1,
                [0x88, length] if length >= 2 => break,
                other => panic!("a ping or a close frame was expected, not {other:?}"),
            }
        }
        assert!(pings > 0, "it is pinged before it is closed");
        dead.read_u16().await.expect("a code")
    };
    let pings = async {
        for _ in 0..3 {
            assert!(matches!(idle.next_frame().await, Some(Message::Ping(_))));
        }
    };
    let (code, ()) = futures_util::future::join(code, pings).await;
    assert!(!is_fatal_close_code(code), "{code}");
    assert_answers(&mut idle, "1").await;
}
