//! Events are rendered once for all subscribers with the same operation: every subscriber gets what it selected, and nothing of
//! other connections.

use serde_json::{Value, json};

use crate::support::client::{RoomKey, User, text};
use crate::support::server::Server;
use crate::support::socket::{Socket, events_after};
use crate::support::stream::{Stream, post};

const EVENTS: &str =
    "subscription Events($roomId: ID!, $roomCode: String!, $after: String, $detailed: Boolean = false) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        cursor message { text author { displayName } id @include(if: $detailed) } } }";

/// The raw payload of a `next` message.
fn payload(raw: &str) -> &str {
    let (_, payload) = raw.split_once(r#""payload":"#).expect("a payload");
    payload.trim_end().strip_suffix('}').expect("a closing brace")
}

fn variables(room: &RoomKey, more: Value) -> Value {
    let mut variables = json!({ "roomId": room.id, "roomCode": room.code });
    variables.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    variables
}

#[tokio::test]
async fn equal_operations_get_the_same_bytes_and_nothing_of_another_connection() {
    // With the directive, the schema renders; without it, a plan does.
    for query in [EVENTS, &EVENTS.replace(" @include(if: $detailed)", "").replace(", $detailed: Boolean = false", "")] {
        assert_same_bytes(query).await;
    }
}

async fn assert_same_bytes(query: &str) {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut sockets = Vec::new();
    for name in ["alpha", "beta", "gamma"] {
        let init = json!({ "token": format!("token-of-{name}"), "userId": format!("user-{name}") });
        let mut socket = Socket::ready_with(server.address(), init).await;
        // These share a rendering: a live and a resumed subscription, an id in its legacy form, unused variables.
        let more = match name {
            "alpha" => json!({ "token": "variable-of-alpha", "after": null }),
            "beta" => json!({ "secret": { "of": "variable-of-beta" }, "after": start }),
            _ => json!({ "roomId": format!("room:*{}", room.id), "unused": "variable-of-gamma" }),
        };
        socket.raw.clear();
        socket.subscribe(&format!("operation-{name}"), query, variables(&room, more)).await;
        sockets.push((name, socket));
    }
    client.wait_for_viewers(&room, 3).await;
    let accept = "multipart/mixed;subscriptionSpec=1.0";
    let mut parts =
        Stream::open(post(client.url(), accept, query, variables(&room, json!({ "token": "of-delta" })))).await;
    let mut events = Stream::open(post(client.url(), "text/event-stream", query, variables(&room, json!({})))).await;
    client.wait_for_viewers(&room, 5).await;
    ada.send(&room, "for all").await;

    let mut rendered = None;
    for (name, socket) in &mut sockets {
        assert_eq!(socket.next_text(&format!("operation-{name}")).await, "for all");
        let secrets = ["alpha", "beta", "gamma", "delta"].into_iter().filter(|other| other != name);
        for secret in secrets.chain([room.code.as_str(), "token-of", "variable-of", "user-"]) {
            assert!(!socket.raw.contains(secret), "{secret} is in {}", socket.raw);
        }
        let rendered = rendered.get_or_insert_with(|| payload(&socket.raw).to_owned());
        assert_eq!(payload(&socket.raw), rendered);
    }
    let rendered = rendered.expect("a rendering");
    let part = parts.until("}\r\n--graphql").await.expect("a part");
    assert!(part.ends_with(&format!(r#"{{"payload":{rendered}}}{}"#, "\r\n--graphql")), "{part}");
    let event = events.until("}\n\n").await.expect("an event");
    assert!(event.ends_with(&format!("data: {rendered}\n\n")), "{event}");
}

#[tokio::test]
async fn different_operations_get_different_payloads() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let message = ada.send(&room, "one").await;
    let author = text(
        &client.query_room(&room, "chatters { nodes { displayName } }").await["chatters"]["nodes"][0]["displayName"],
    );
    let cursor = client.cursor(&room).await;
    let field = |fields: &str| {
        format!(r#"messageEvents(roomId: "{}", roomCode: "{}", after: "{start}") {{ {fields} }}"#, room.id, room.code)
    };
    let plain = json!({ "cursor": cursor, "message": { "text": "one", "author": { "displayName": author } } });
    let mut detailed = plain.clone();
    detailed["message"]["id"] = message["id"].clone();
    let both = format!(
        "subscription A {{ {} }} subscription B {{ {} }}",
        field("message { text }"),
        field("message { index }")
    );
    let fragment = format!(
        "subscription($short: Boolean!) {{ {} }} fragment F on MessageEvent {{ message {{ text @skip(if: $short) index }} }}",
        field("...F")
    );
    let cases = [
        (EVENTS, None, json!({ "after": start }), json!({ "messageEvents": plain })),
        (EVENTS, None, json!({ "after": start, "detailed": false }), json!({ "messageEvents": plain })),
        (EVENTS, None, json!({ "after": start, "detailed": true }), json!({ "messageEvents": detailed })),
        (&format!("subscription {{ a: {} }}", field("c: cursor")), None, json!({}), json!({ "a": { "c": cursor } })),
        (&format!("subscription {{ b: {} }}", field("c: cursor")), None, json!({}), json!({ "b": { "c": cursor } })),
        (&both, Some("A"), json!({}), json!({ "messageEvents": { "message": { "text": "one" } } })),
        (&both, Some("B"), json!({}), json!({ "messageEvents": { "message": { "index": 0 } } })),
        (&fragment, None, json!({ "short": true }), json!({ "messageEvents": { "message": { "index": 0 } } })),
        (
            &fragment,
            None,
            json!({ "short": false }),
            json!({ "messageEvents": { "message": { "text": "one", "index": 0 } } }),
        ),
    ];
    // Twice, so that the second run finds the cached renderings of the first.
    for _ in 0..2 {
        let mut socket = Socket::ready(server.address()).await;
        for (n, (query, operation, more, expected)) in cases.iter().enumerate() {
            let payload =
                json!({ "query": query, "operationName": operation, "variables": variables(&room, more.clone()) });
            socket.send_json(json!({ "id": n.to_string(), "type": "subscribe", "payload": payload })).await;
            let next = json!({ "id": n.to_string(), "type": "next", "payload": { "data": expected } });
            assert_eq!(socket.receive().await, next, "{query} with {more}");
        }
    }
}

#[tokio::test]
async fn a_rendering_of_a_deleted_or_replaced_text_is_never_delivered_again() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let query = events_after(&room, &start);
        let regretted = ada.send(&room, "secret one").await;
        let mended = ada.send(&room, "secret two").await;
        let mut witness = Socket::ready(server.address()).await;
        witness.subscribe("1", &query, json!({})).await;
        assert_eq!(witness.next_text("1").await, "secret one");
        assert_eq!(witness.next_text("1").await, "secret two");
        ada.delete(&room, &text(&regretted["id"])).await;
        ada.edit(&room, &text(&mended["id"]), "harmless").await;
        witness.receive().await;
        witness.receive().await;

        let mut late = Socket::ready(server.address()).await;
        late.subscribe("1", &query, json!({})).await;
        for expected in [Value::Null, json!("harmless"), Value::Null, json!("harmless")] {
            assert_eq!(late.next_text("1").await, expected);
        }
        assert!(!late.raw.contains("secret"), "{}", late.raw);
    }
}
