//! The root field of a subscription may be anywhere in the document.

use serde_json::{Value, json};

use crate::support::client::{RoomKey, User, error_code};
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, WithQuery as _, get, post};

const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

/// The field of [`events_of`], with these directives.
fn field(room: &RoomKey, directives: &str) -> String {
    let field = events_of(room).replace("subscription { ", "").replacen(") {", &format!(") {directives} {{"), 1);
    field.strip_suffix(" }").expect("a closing brace").to_owned()
}

/// Documents whose root field is in fragments or conditional, with variables that include it.
fn documents(room: &RoomKey) -> Vec<(String, Value)> {
    let plain = field(room, "");
    vec![
        (format!("subscription {{ ...F }} fragment F on Subscription {{ {plain} }}"), json!({})),
        (format!("subscription {{ ... {{ {plain} }} }}"), json!({})),
        (format!("subscription {{ ... on Subscription {{ {plain} }} }}"), json!({})),
        (
            format!(
                "subscription S {{ ...F }} fragment G on Subscription {{ ... {{ ...H }} }}
                 fragment F on Subscription {{ ... on Subscription {{ ...G }} }} fragment H on Subscription {{ {plain} }}"
            ),
            json!({}),
        ),
        (
            format!("subscription($yes: Boolean!) {{ ...F @include(if: $yes) }} fragment F on Subscription {{ {plain} }}"),
            json!({ "yes": true }),
        ),
        (
            format!("subscription($no: Boolean = false) {{ ... @skip(if: $no) {{ {plain} }} }}"),
            json!({}),
        ),
        (
            format!("subscription($yes: Boolean = true) {{ {} }}", field(room, "@include(if: $yes) @skip(if: false)")),
            json!({}),
        ),
        // The same field twice counts as one field, with the selections of both.
        (format!("subscription {{ {plain} ...F }} fragment F on Subscription {{ {plain} }}"), json!({})),
        // One of two fields is skipped.
        (
            format!("subscription($no: Boolean!) {{ other: {} {plain} }}", field(room, "@include(if: $no)")),
            json!({ "no": false }),
        ),
        (
            format!("subscription A {{ ...F }} query B {{ __typename }} fragment F on Subscription {{ {plain} }}"),
            json!({}),
        ),
    ]
}

fn operation_name(document: &str) -> Option<&'static str> {
    document.contains("query B").then_some("A")
}

#[tokio::test]
async fn a_subscription_in_fragments_delivers_on_every_transport() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    for number in 0.. {
        let room = client.create_room().await;
        let Some((document, variables)) = documents(&room).into_iter().nth(number) else { break };
        let payload = json!({ "query": document, "variables": variables, "operationName": operation_name(&document) });
        let mut socket = Socket::ready(server.address()).await;
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        let http =
            |accept: &str| crate::support::stream::http().post(client.url()).header("accept", accept).json(&payload);
        let mut sse = Stream::open(http("text/event-stream")).await;
        let mut multipart = Stream::open(http(MULTIPART)).await;
        let query = [
            ("variables", variables.to_string()),
            ("operationName", operation_name(&document).unwrap_or_default().to_owned()),
        ];
        let mut by_get =
            Stream::open(get(client.url(), &document).query(&query).header("accept", "text/event-stream")).await;
        client.wait_for_viewers(&room, 4).await;
        for text in ["one", "two"] {
            ada.send(&room, text).await;
            assert_eq!(socket.next_text("1").await, text, "{document}");
            for stream in [&mut sse, &mut multipart, &mut by_get] {
                let received = stream.until(&format!(r#""message":{{"text":"{text}"}}"#)).await;
                assert!(received.is_some_and(|received| received.contains("MessageSent")), "{document}");
            }
        }
        let refused = post(client.url(), "application/json", &document, variables).send().await.expect("an answer");
        let expected = if operation_name(&document).is_some() { 200 } else { 406 };
        assert_eq!(refused.status(), expected, "plain HTTP does not carry subscriptions: {document}");
    }
}

#[tokio::test]
async fn a_subscription_in_fragments_completes_only_when_its_room_ends() {
    let server = Server::with(&[("ROOM_TTL", "4s")]);
    let client = server.client();
    let room = client.create_room().await;
    let (document, _) = documents(&room).swap_remove(3);
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &document, json!({})).await;
    client.wait_for_viewers(&room, 1).await;
    assert_eq!(socket.receive().await, json!({ "id": "1", "type": "complete" }));
}

#[tokio::test]
async fn a_subscription_without_exactly_one_field_is_refused_on_every_transport() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let plain = field(&room, "");
    let skipped = field(&room, "@skip(if: true)");
    for (document, variables) in [
        (format!("subscription {{ {skipped} }}"), json!({})),
        (format!("subscription {{ {} }}", field(&room, "@include(if: false)")), json!({})),
        (format!("subscription {{ ...F @skip(if: true) }} fragment F on Subscription {{ {plain} }}"), json!({})),
        (format!("subscription {{ ... @include(if: false) {{ {plain} }} }}"), json!({})),
        (format!("subscription {{ ...F }} fragment F on Subscription {{ ... {{ {skipped} }} }}"), json!({})),
        (format!("subscription($no: Boolean!) {{ {} }}", field(&room, "@include(if: $no)")), json!({ "no": false })),
        (format!("subscription($yes: Boolean = true) {{ ... @skip(if: $yes) {{ {plain} }} }}"), json!({})),
        (format!("subscription($yes: Boolean = true) {{ ... @skip(if: $yes) {{ {plain} }} }}"), json!({ "yes": null })),
        (format!("subscription {{ {plain} other: {plain} }}"), json!({})),
        (format!("subscription {{ ...F other: {plain} }} fragment F on Subscription {{ {plain} }}"), json!({})),
        (format!("subscription {{ {plain} __typename }}"), json!({})),
        ("subscription { __typename }".to_owned(), json!({})),
        ("subscription { ... { ...F } } fragment F on Subscription { a: __typename }".to_owned(), json!({})),
        (format!("subscription {{ {plain} {} }}", plain.replace("roomCode: ", "after: null, roomCode: ")), json!({})),
        (format!("subscription {{ ... on Query {{ {plain} }} }}"), json!({})),
    ] {
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", &document, variables.clone()).await;
        assert_eq!(socket.refusal("1").await, "GRAPHQL_VALIDATION_FAILED", "{document}");
        for accept in ["application/json", MULTIPART] {
            let answer = post(client.url(), accept, &document, variables.clone()).send().await.expect("an answer");
            assert_eq!(error_code(&answer.json().await.expect("JSON")), "GRAPHQL_VALIDATION_FAILED", "{document}");
        }
        let mut stream = Stream::open(post(client.url(), "text/event-stream", &document, variables)).await;
        let received = stream.until("event: complete").await.expect("an end");
        assert!(received.contains("GRAPHQL_VALIDATION_FAILED"), "{document}: {received}");
    }
    client.wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn readers_with_the_same_document_and_different_variables_get_different_fields() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let document =
        "subscription($id: ID!, $code: String!, $long: Boolean!) { ...A @skip(if: $long) ...B @include(if: $long) }
        fragment A on Subscription { messageEvents(roomId: $id, roomCode: $code) { cursor } }
        fragment B on Subscription { messageEvents(roomId: $id, roomCode: $code) { message { text } } }";
    let mut sockets = Vec::new();
    for long in [true, false] {
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", document, json!({ "id": room.id, "code": room.code, "long": long })).await;
        sockets.push(socket);
    }
    client.wait_for_viewers(&room, 2).await;
    ada.send(&room, "for both").await;
    let cursor = client.cursor(&room).await;
    let expected = [json!({ "message": { "text": "for both" } }), json!({ "cursor": cursor })];
    for (socket, expected) in sockets.iter_mut().zip(expected) {
        assert_eq!(socket.receive().await["payload"]["data"]["messageEvents"], expected);
    }
}
