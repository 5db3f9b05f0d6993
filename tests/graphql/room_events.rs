//! `roomEvents`: every kind of event, in one order, on every transport, with the cursors of `messageEvents`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::client::{RoomKey, User, text};
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
    for (server, _redis) in Server::on_each_store(&[("ROOM_TTL", "3s")]).await {
        let room = OwnedRoom::create(&server.client()).await;
        let mut reader = open(&server, Transport::WebSocket, ROOM_EVENTS, &room, &room.start).await;
        assert_completes(&mut reader, Transport::WebSocket).await;
    }
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
            if tokio::time::timeout(Duration::from_millis(300), socket.next_frame()).await.is_ok() {
                refused = Some(n);
                break;
            }
        }
        assert!(refused.is_some_and(|n| n <= 6) && socket.raw.contains("TOO_MANY_SUBSCRIPTIONS"), "{refused:?}");
    }
}
