//! The events of a room: live and replayed, in order, each once, and only for authorized readers.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::client::{Client, EDIT, RoomKey, User, text};
use crate::support::load::Senders;
use crate::support::room_view::{RoomView, assert_events_match};
use crate::support::server::Server;
use crate::support::subscriber::{Received, Subscriber};

/// The kind of an event, and the index and text of its message.
fn summary(event: &Value) -> (String, u64, Option<String>) {
    let message = &event["message"];
    let index = message["index"].as_u64().expect("an index");
    (text(&event["__typename"]), index, message["text"].as_str().map(str::to_owned))
}

fn expected(kind: &str, index: u64, text: Option<&str>) -> (String, u64, Option<String>) {
    (kind.to_owned(), index, text.map(str::to_owned))
}

#[tokio::test]
async fn every_change_arrives_live_and_in_order() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let mut subscriber = Subscriber::open(server.address(), &room, None).await;
        client.wait_for_viewers(&room, 1).await;

        let first = ada.send(&room, "first").await;
        ada.send(&room, "second").await;
        ada.edit(&room, &text(&first["id"]), "first, mended").await;
        ada.delete(&room, &text(&first["id"])).await;
        let events = subscriber.events(4).await;
        let expected = [
            expected("MessageSent", 0, Some("first")),
            expected("MessageSent", 1, Some("second")),
            expected("MessageEdited", 0, Some("first, mended")),
            expected("MessageDeleted", 0, None),
        ];
        assert_eq!(events.iter().map(summary).collect::<Vec<_>>(), expected);
        assert_eq!(events[0]["message"]["author"]["id"], ada.id.clone().expect("an id"));
        assert_eq!(events[2]["message"]["editedAt"], events[2]["at"]);
        assert_eq!(events[3]["message"]["deletedAt"], events[3]["at"]);
        assert_eq!(
            subscriber.cursor,
            Some(client.cursor(&room).await),
            "the cursor of the room is that of its last event"
        );
    }
}

#[tokio::test]
async fn without_a_cursor_a_subscriber_gets_events_from_now_on() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        ada.send(&room, "before").await;
        let mut subscriber = Subscriber::open(server.address(), &room, None).await;
        client.wait_for_viewers(&room, 1).await;
        ada.send(&room, "after").await;
        assert_eq!(summary(&subscriber.event().await), expected("MessageSent", 1, Some("after")));
    }
}

#[tokio::test]
async fn with_a_cursor_a_subscriber_gets_everything_since_and_then_live_events() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        // More than one page of the log.
        for n in 0..120 {
            ada.send(&room, &n.to_string()).await;
        }
        let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
        let mut events = subscriber.events(120).await;
        ada.send(&room, "live").await;
        events.push(subscriber.event().await);
        assert_events_match(&events, &client.texts(&room).await, 0);

        // A cursor in the middle yields exactly the events after it.
        let cursor = text(&events[60]["cursor"]);
        let mut again = Subscriber::open(server.address(), &room, Some(cursor)).await;
        assert_eq!(again.events(60).await, events[61..]);
    }
}

#[tokio::test]
async fn a_replay_has_every_event_but_no_deleted_or_replaced_text() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let regretted = ada.send(&room, "secret one").await;
        let mended = ada.send(&room, "secret two").await;
        ada.edit(&room, &text(&regretted["id"]), "secret three").await;
        ada.edit(&room, &text(&mended["id"]), "harmless").await;
        ada.delete(&room, &text(&regretted["id"])).await;

        let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
        let events = subscriber.events(5).await;
        let expected = [
            expected("MessageSent", 0, None),
            expected("MessageSent", 1, Some("harmless")),
            expected("MessageEdited", 0, None),
            expected("MessageEdited", 1, Some("harmless")),
            expected("MessageDeleted", 0, None),
        ];
        assert_eq!(events.iter().map(summary).collect::<Vec<_>>(), expected);
        assert!(!json!(events).to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_page_and_the_events_after_its_cursor_make_up_the_room_during_writes() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let senders = Senders::start(vec![server.client()], &room, 8);
        let changes = async {
            for n in 0..10 {
                let message = ada.send(&room, &format!("Ada's {n}")).await;
                ada.edit(&room, &text(&message["id"]), &format!("Ada's {n}, mended")).await;
                if n % 2 == 0 {
                    ada.delete(&room, &text(&message["id"])).await;
                }
            }
        };
        let readers = async {
            let mut readers = Vec::new();
            for _ in 0..5 {
                senders.wait_for_accepted(16).await;
                let view = RoomView::read(&client, &room).await;
                let subscriber = Subscriber::open(server.address(), &room, Some(view.cursor.clone())).await;
                readers.push((view, subscriber));
            }
            readers
        };
        let (mut readers, ()) = join(readers, changes).await;
        senders.stop().await;
        ada.send(&room, "the end").await;
        for (view, subscriber) in &mut readers {
            subscriber.until_sent("the end").await.iter().for_each(|event| view.apply(event));
            view.assert_current(&client, &room).await;
            assert_eq!(view.cursor, client.cursor(&room).await);
        }
    }
}

#[tokio::test]
async fn subscribers_that_join_at_any_time_miss_nothing_after_their_cursors() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let room = client.create_room().await;
        let senders = Senders::start(vec![server.client()], &room, 8);
        let mut readers = Vec::new();
        for _ in 0..20 {
            senders.wait_for_accepted(rand::random_range(1..10)).await;
            let state = client.query_room(&room, "cursor messages(last: 0) { totalCount }").await;
            let first = state["messages"]["totalCount"].as_u64().expect("a number") as usize;
            senders.wait_for_accepted(rand::random_range(1..10)).await;
            let subscriber = Subscriber::open(server.address(), &room, Some(text(&state["cursor"]))).await;
            readers.push((first, subscriber));
        }
        senders.stop().await;
        User::of(client.clone()).send(&room, "the end").await;
        let texts = client.texts(&room).await;
        join_all(readers.iter_mut().map(async |(first, subscriber)| {
            assert_events_match(&subscriber.until_sent("the end").await, &texts, *first);
        }))
        .await;
    }
}

#[tokio::test]
async fn every_invalid_cursor_is_refused() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let (room, other) = (client.create_room().await, client.create_room().await);
        ada.send(&room, "here").await;
        ada.send(&other, "there").await;
        let here = client.cursor(&room).await;
        let of_message = client.query_room(&room, "messages { pageInfo { endCursor } }").await;
        let altered = |at: usize| {
            let mut cursor = here.clone().into_bytes();
            cursor[at] = if cursor[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(cursor).expect("ASCII")
        };
        for cursor in [
            String::new(),
            "made up".to_owned(),
            client.cursor(&other).await,
            text(&of_message["messages"]["pageInfo"]["endCursor"]),
            // Another number, past the end, and another tag of the entry. See the layout in src/chat/cursor.rs.
            altered(30),
            altered(40),
            here[..20].to_owned(),
        ] {
            let mut subscriber = Subscriber::open(server.address(), &room, Some(cursor.clone())).await;
            assert_eq!(subscriber.refusal().await, "CURSOR_INVALID", "{cursor}");
        }
        client.wait_for_viewers(&room, 0).await;
    }
}

#[tokio::test]
async fn a_subscription_with_a_wrong_id_or_code_is_refused_and_reveals_nothing() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let room = client.create_room().await;
        let refusal = async |id: &str, code: &str| {
            let key = RoomKey { id: id.to_owned(), code: code.to_owned() };
            Subscriber::open(server.address(), &key, None).await.refusal().await
        };
        assert_eq!(refusal(&room.id, "000000 or so").await, "ROOM_CODE_INVALID");
        assert_eq!(refusal(&room.id, "").await, "ROOM_CODE_INVALID");
        assert_eq!(refusal(&"0".repeat(32), &room.code).await, "ROOM_NOT_FOUND");
        assert_eq!(refusal("no id", &room.code).await, "VALIDATION_FAILED");
        client.wait_for_viewers(&room, 0).await;
    }
}

#[tokio::test]
async fn a_subscription_completes_when_its_room_ends() {
    let on_each = Server::on_each_store(&[("ROOM_TTL", "5s")]).await.into_iter().map(async |(server, _redis)| {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
        let message = ada.send(&room, "once").await;
        subscriber.event().await;
        assert!(matches!(subscriber.next().await, Received::Complete));
        assert_eq!(Subscriber::open(server.address(), &room, None).await.refusal().await, "ROOM_NOT_FOUND");
        let edit = json!({ "input": { "roomId": room.id, "roomCode": room.code, "userId": ada.id, "token": ada.token,
            "messageId": message["id"], "text": "too late" } });
        assert_eq!(client.code(EDIT, edit).await, "ROOM_NOT_FOUND");
        assert_eq!(count_rooms(&client).await, 0);
        // Its users are still registered.
        let next = client.create_room().await;
        ada.send(&next, "again").await;
    });
    join_all(on_each).await;
}

async fn count_rooms(client: &Client) -> u64 {
    client.data("{ activeRooms { totalCount } }", json!({})).await["activeRooms"]["totalCount"]
        .as_u64()
        .expect("a number")
}

#[tokio::test]
async fn viewers_are_counted_while_they_are_subscribed() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let (room, other) = (client.create_room().await, client.create_room().await);
        let mut subscribers = Vec::new();
        for count in 1..=3 {
            subscribers.push(Subscriber::open(server.address(), &room, None).await);
            client.wait_for_viewers(&room, count).await;
        }
        client.wait_for_viewers(&other, 0).await;
        let rooms = client.data("{ activeRooms { nodes { id viewerCount } } }", json!({})).await;
        let rooms = rooms["activeRooms"]["nodes"].as_array().expect("nodes").clone();
        assert!(rooms.contains(&json!({ "id": room.id, "viewerCount": 3 })), "{rooms:?}");
        // One closes its socket, the others only disconnect.
        subscribers.pop().expect("a subscriber").close().await;
        client.wait_for_viewers(&room, 2).await;
        drop(subscribers);
        client.wait_for_viewers(&room, 0).await;
    }
}
