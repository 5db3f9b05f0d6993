//! `roomEvents`: every kind of event, in one order, on every transport, with the cursors of `messageEvents`.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::client::{RoomKey, User, text};
use crate::support::http::Client as Http;
use crate::support::owner::{OwnedRoom, react};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::subscriber::{EVENTS, ROOM_EVENTS, Received, Subscriber};
use crate::support::transport::{Reader, Resume, Transport};

/// Every transport of events.
const TRANSPORTS: [Transport; 4] =
    [Transport::WebSocket, Transport::LegacyWebSocket, Transport::ServerSentEvents, Transport::Multipart];

/// The kinds of events that [`cause_every_kind`] causes, in order.
const KINDS: [&str; 8] = [
    "MessageSent",
    "MessageSent",
    "MessageEdited",
    "ReactionsChanged",
    "RoomUpdated",
    "UserBanned",
    "UserUnbanned",
    "MessageDeleted",
];

/// Causes every kind of event except the end of the room.
async fn cause_every_kind(room: &OwnedRoom, ada: &mut User) {
    let first = text(&ada.send(&room.key, "first").await["id"]);
    let second = text(&ada.send(&room.key, "second").await["id"]);
    ada.edit(&room.key, &first, "edited").await;
    react(ada, &room.key, &first, "👍", true).await;
    room.update(json!({ "title": "A title", "slowModeSeconds": 0 })).await;
    room.ban(ada, json!({ "reason": "a reason", "seconds": 60 })).await;
    room.unban(ada).await;
    room.act("removeMessage", json!({ "messageId": second }), "cursor").await;
}

async fn open(server: &Server, transport: Transport, query: &str, room: &OwnedRoom, after: &str) -> Reader {
    resume(server, transport, query, &room.key, after, Resume::Argument).await
}

async fn resume(
    server: &Server,
    transport: Transport,
    query: &str,
    room: &RoomKey,
    after: &str,
    resume: Resume,
) -> Reader {
    let connection = TcpStream::connect(server.address()).await.expect("a connection");
    let after = Some(after.to_owned());
    Reader::with(connection, transport, query, room, after, resume).await.expect("a subscription")
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["__typename"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn every_kind_of_event_arrives_live_and_after_every_cursor_on_every_transport() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let mut live = Vec::new();
        for transport in TRANSPORTS {
            live.push(open(&server, transport, ROOM_EVENTS, &room, &room.start).await);
        }
        room.client.wait_for_viewers(&room.key, live.len()).await;
        cause_every_kind(&room, &mut ada).await;
        let events = live[0].events(KINDS.len()).await;
        assert_eq!(kinds(&events), KINDS);
        for reader in &mut live[1..] {
            assert_eq!(kinds(&reader.events(KINDS.len()).await), KINDS);
        }
        assert_eq!(events[3]["message"]["reactions"], json!([{ "emoji": "👍", "count": 1 }]));
        assert_eq!(
            (&events[4]["settings"]["title"], &events[4]["settings"]["listed"]),
            (&json!("A title"), &json!(true))
        );
        let ban = &events[5]["ban"];
        assert_eq!((&ban["user"]["id"], &ban["reason"]), (&json!(ada.id), &json!("a reason")));
        assert_eq!(events[6]["user"]["id"], json!(ada.id));
        assert_eq!(
            (&events[7]["message"]["deletedBy"], &events[7]["message"]["text"]),
            (&json!("OWNER"), &Value::Null)
        );

        let mut resumed = open(&server, Transport::WebSocket, ROOM_EVENTS, &room, &room.start).await;
        let replayed = resumed.events(KINDS.len()).await;
        for (n, event) in replayed.iter().enumerate() {
            assert_eq!(event["cursor"], events[n]["cursor"], "a replay has the same entries");
            for transport in TRANSPORTS {
                for mode in [Resume::Argument, Resume::Connection] {
                    let cursor = text(&event["cursor"]);
                    let mut reader = resume(&server, transport, ROOM_EVENTS, &room.key, &cursor, mode).await;
                    assert_eq!(reader.events(KINDS.len() - n - 1).await, replayed[n + 1..], "{transport:?} {mode:?}");
                }
            }
        }

        room.end().await;
        for (reader, transport) in live.iter_mut().zip(TRANSPORTS) {
            let last = reader.event().await;
            assert_eq!(last["__typename"], "RoomEnded", "{transport:?}");
            assert_eq!(last["cursor"], events[KINDS.len() - 1]["cursor"], "{transport:?}");
            assert_completes(reader, transport).await;
        }
    }
}

/// Asserts that a subscription completes next.
async fn assert_completes(reader: &mut Reader, transport: Transport) {
    match (reader.next().await, transport) {
        (Received::Complete, _) | (Received::Closed(_), Transport::Multipart) => {}
        (other, _) => panic!("completion was expected over {transport:?}, not {other:?}"),
    }
}

/// The raw payloads of the next `count` events of a socket.
async fn payloads(socket: &mut Socket, count: usize) -> Vec<String> {
    socket.raw.clear();
    for _ in 0..count {
        socket.receive().await;
    }
    let payload = |line: &str| line.split_once(r#""payload":"#).expect("an event").1.to_owned();
    socket.raw.lines().map(payload).collect()
}

/// A directive without effect leaves a document to the schema.
#[tokio::test]
async fn both_paths_render_every_kind_of_event_alike() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        // Events of the past, because live ones may show their message before or after its next change.
        cause_every_kind(&room, &mut ada).await;
        let mut sockets = Vec::new();
        for query in [ROOM_EVENTS, EVENTS] {
            for query in [query.to_owned(), query.replace("cursor at", "cursor at @include(if: true)")] {
                let mut socket = Socket::ready(server.address()).await;
                let variables = json!({ "roomId": room.key.id, "roomCode": room.key.code, "after": room.start });
                socket.subscribe("events", &query, variables).await;
                sockets.push(socket);
            }
        }
        let [planned, executed, planned_messages, executed_messages] = &mut sockets[..] else { panic!("four sockets") };
        let mut events = payloads(planned, KINDS.len()).await;
        assert_eq!(events, payloads(executed, KINDS.len()).await);
        let of_messages = payloads(planned_messages, 4).await;
        assert_eq!(of_messages, payloads(executed_messages, 4).await);
        room.client.wait_for_viewers(&room.key, sockets.len()).await;
        room.end().await;
        let [planned, executed, ..] = &mut sockets[..] else { panic!("four sockets") };
        // Each follower that sees the end of a room has a time of its own for it.
        let without_time = |payload: &str| payload.split_once(r#","at":"#).expect("a time").0.to_owned();
        let last = payloads(planned, 1).await;
        assert_eq!(without_time(&last[0]), without_time(&payloads(executed, 1).await[0]));
        assert!(last[0].contains("RoomEnded"), "{last:?}");
        events.extend(last);
        let metrics = Http::of(&server.url("")).get("/metrics").await.body;
        for path in ["fast", "schema"] {
            let expected =
                format!("livechat_renderings_total{{path=\"{path}\"}} {}\n", events.len() + of_messages.len());
            assert!(metrics.contains(&expected), "{expected} is not in {metrics}");
        }
    }
}

/// Subscribers with the same document share an operation, but each has its own room and its own cursor.
#[tokio::test]
async fn a_shared_operation_starts_after_the_cursor_of_each_subscriber() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::with_own_token(server.client()));
    let with_directive = EVENTS.replace("cursor at", "cursor at @include(if: true)");
    let with_default = |cursor: &str| EVENTS.replace("$after: String", &format!("$after: String = \"{cursor}\""));
    let (room, other) = (OwnedRoom::create(&client).await, OwnedRoom::create(&client).await);
    ada.send(&room.key, "first").await;
    let second = ada.send(&room.key, "second").await;
    ada.send(&other.key, "of another room").await;
    let after_first = {
        let mut reader = Subscriber::open(server.address(), &room.key, Some(room.start.clone())).await;
        text(&reader.event().await["cursor"])
    };
    for (query, has_default) in
        [(EVENTS.to_owned(), false), (with_directive, false), (with_default(&after_first), true)]
    {
        let in_room = |room: &OwnedRoom| json!({ "roomId": room.key.id, "roomCode": room.key.code });
        let after = |room: &OwnedRoom, cursor: Value| {
            let mut variables = in_room(room);
            variables["after"] = cursor;
            variables
        };
        let mut socket = Socket::ready(server.address()).await;
        // The first subscriber stays, so that the others share its operation.
        socket.subscribe("absent", &query, in_room(&room)).await;
        if has_default {
            assert_eq!(socket.next_text("absent").await, "second");
        }
        client.wait_for_viewers(&room.key, 1).await;
        socket.subscribe("start", &query, after(&room, json!(room.start))).await;
        assert_eq!(socket.next_text("start").await, "first");
        assert_eq!(socket.next_text("start").await, "second");
        socket.subscribe("later", &query, after(&room, json!(after_first))).await;
        let event = socket.receive().await;
        assert_eq!(
            (&event["id"], &event["payload"]["data"]["messageEvents"]["message"]["id"]),
            (&json!("later"), &second["id"])
        );
        assert_eq!(event["payload"]["data"]["messageEvents"]["cursor"], json!(client.cursor(&room.key).await));
        socket.subscribe("other", &query, after(&other, json!(other.start))).await;
        assert_eq!(socket.next_text("other").await, "of another room");
        socket.subscribe("null", &query, after(&room, Value::Null)).await;
        client.wait_for_viewers(&room.key, 4).await;
        socket.assert_no_message().await;
        // A cursor of another room is refused, although others of the operation have none.
        socket.subscribe("wrong", &query, after(&other, json!(after_first))).await;
        assert_eq!(socket.refusal("wrong").await, "CURSOR_INVALID");
        for transport in TRANSPORTS {
            let mut reader = open(&server, transport, &query, &room, &room.start).await;
            let texts: Vec<_> = reader.events(2).await.iter().map(|event| text(&event["message"]["text"])).collect();
            assert_eq!(texts, ["first", "second"], "{transport:?}");
        }
        drop(socket);
        client.wait_for_viewers(&room.key, 0).await;
    }
}

#[tokio::test]
async fn message_events_delivers_the_three_kinds_that_it_always_had_and_completes_when_the_room_ends() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let mut readers = Vec::new();
        for transport in TRANSPORTS {
            readers.push(open(&server, transport, EVENTS, &room, &room.start).await);
        }
        room.client.wait_for_viewers(&room.key, readers.len()).await;
        cause_every_kind(&room, &mut ada).await;
        room.end().await;
        for (reader, transport) in readers.iter_mut().zip(TRANSPORTS) {
            let expected = ["MessageSent", "MessageSent", "MessageEdited", "MessageDeleted"];
            assert_eq!(kinds(&reader.events(expected.len()).await), expected, "{transport:?}");
            assert_completes(reader, transport).await;
        }
    }
}

#[tokio::test]
async fn cursors_of_both_subscriptions_are_interchangeable() {
    let server = Server::embedded();
    let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
    cause_every_kind(&room, &mut ada).await;
    let mut all = Subscriber::of_room_events(server.address(), &room.key, Some(room.start.clone())).await;
    let events = all.events(KINDS.len()).await;
    // After the ban, which messageEvents does not deliver.
    let mut messages = Subscriber::open(server.address(), &room.key, Some(text(&events[5]["cursor"]))).await;
    let deleted = messages.event().await;
    assert_eq!((&deleted["__typename"], &deleted["cursor"]), (&json!("MessageDeleted"), &events[7]["cursor"]));
    let mut rest = Subscriber::of_room_events(server.address(), &room.key, Some(text(&events[2]["cursor"]))).await;
    assert_eq!(kinds(&rest.events(5).await), KINDS[3..]);
}

#[tokio::test]
async fn readers_far_behind_get_the_end_of_the_room_and_completion() {
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let mut readers = Vec::new();
        for transport in TRANSPORTS {
            let after = Some(room.start.clone());
            readers.push(Reader::open_narrow_with(transport, ROOM_EVENTS, server.address(), &room.key, after).await);
        }
        room.client.wait_for_viewers(&room.key, readers.len()).await;
        for n in 0..400 {
            ada.send(&room.key, &format!("{n}{}", "\u{1f980}".repeat(3_990))).await;
        }
        room.end().await;
        for (reader, transport) in readers.iter_mut().zip(TRANSPORTS) {
            let mut read = 0;
            loop {
                let event = reader.event().await;
                if event["__typename"] == "RoomEnded" {
                    break;
                }
                assert_eq!(event["message"]["index"], read, "{transport:?}");
                read += 1;
            }
            assert!(read < 400, "the reader over {transport:?} was not behind");
            assert_completes(reader, transport).await;
        }
    }
}

#[tokio::test]
async fn a_room_whose_time_is_over_completes_without_an_event() {
    let on_each = Server::on_each_store(&[("ROOM_TTL", "6s")]).await.into_iter().map(async |(server, _redis)| {
        let room = OwnedRoom::create(&server.client()).await;
        let mut reader = open(&server, Transport::WebSocket, ROOM_EVENTS, &room, &room.start).await;
        assert_completes(&mut reader, Transport::WebSocket).await;
    });
    join_all(on_each).await;
}

/// A subscription to the reactions of one user.
fn reactions_by(room: &RoomKey, user: &str) -> String {
    format!(
        "subscription {{ roomEvents(roomId: \"{}\", roomCode: \"{}\") {{ __typename ... on ReactionsChanged {{
            message {{ reactionsBy(userId: \"{user}\") again: reactionsBy(userId: \"{user}\") }} }} }} }}",
        room.id, room.code
    )
}

#[tokio::test]
async fn a_subscription_may_ask_for_the_reactions_of_a_user_within_the_limit_of_distinct_ones() {
    for (server, _redis) in Server::on_each_store(&[("MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT", "6")]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let message = text(&ada.send(&room.key, "hello").await["id"]);
        let ada_id = ada.id.clone().expect("an id");
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("ada", &reactions_by(&room.key, &ada_id), json!({})).await;
        socket.subscribe("bob", &reactions_by(&room.key, "somebody-else"), json!({})).await;
        room.client.wait_for_viewers(&room.key, 2).await;
        react(&mut ada, &room.key, &message, "🎉", true).await;
        let mut received = [socket.receive().await, socket.receive().await];
        received.sort_by_key(|message| message["id"].to_string());
        for (message, expected) in received.iter().zip([json!(["🎉"]), json!([])]) {
            let shown = &message["payload"]["data"]["roomEvents"]["message"];
            assert_eq!((&shown["reactionsBy"], &shown["again"]), (&expected, &expected), "{message}");
        }
        // Each user makes a distinct subscription.
        let mut refused = None;
        for n in 0..10 {
            socket.subscribe(&format!("n{n}"), &reactions_by(&room.key, &format!("user-number-{n}")), json!({})).await;
            // It is either refused or counted.
            tokio::select! {
                _ = socket.receive() => refused = Some(n),
                () = room.client.wait_for_viewers(&room.key, 3 + n) => continue,
            }
            break;
        }
        assert!(refused.is_some_and(|n| n <= 6) && socket.raw.contains("TOO_MANY_SUBSCRIPTIONS"), "{refused:?}");
    }
}
