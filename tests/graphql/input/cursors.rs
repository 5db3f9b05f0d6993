//! A cursor is used or rejected, in whichever way it is sent.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::client::{User, error_code};
use crate::support::http::{self, Answer};
use crate::support::raw::Raw;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, WithQuery as _, get, post};

const SSE: &str = "text/event-stream";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

/// The names that `EventSource` polyfills and other servers use for the parameter.
const NAMES: [&str; 6] =
    ["lastEventId", "lastEventID", "Last-Event-ID", "last-event-id", "last_event_id", "evs_last_event_id"];

#[tokio::test]
async fn a_cursor_in_the_query_string_is_used_under_each_of_its_names() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    ada.send(&room, "seen").await;
    let cursor = client.cursor(&room).await;
    ada.send(&room, "missed").await;
    let newest = client.cursor(&room).await;
    ada.send(&room, "newest").await;
    let follow = events_of(&room);
    let url = server.url("/graphql");
    let assert_next = async |request: RequestBuilder, accept: &str, text: &str, how: &str| {
        let mut stream = Stream::open(request.header("accept", accept)).await;
        assert_eq!(stream.status, 200, "{how}");
        let received = stream.until("\"text\":\"").await.expect("an event");
        assert!(received.len() < 2_000);
        assert_eq!(stream.until("\"").await.as_deref(), Some(format!("{text}\"").as_str()), "{how}");
    };
    for name in NAMES {
        for accept in [SSE, MULTIPART] {
            assert_next(get(&url, &follow).query(&[(name, &cursor)]), accept, "missed", name).await;
            let by_post = post(&url, accept, &follow, json!({})).query(&[(name, &cursor)]);
            assert_next(by_post, accept, "missed", name).await;
        }
        let made_up = get(&url, &follow).query(&[(name, "made up")]).header("accept", SSE);
        let received = Stream::open(made_up).await.until("event: complete").await.expect("an end");
        assert!(received.contains("CURSOR_INVALID"), "{name}: {received}");
        let over = Stream::open(get(&url, &follow).query(&[(name, "complete")]).header("accept", SSE)).await;
        assert_eq!(over.status, 204, "the last id of a stream stops a client: {name}");
    }
    // Of two cursors, the one that the client added later counts.
    let repeated = get(&url, &follow).query(&[("lastEventId", &cursor)]).header("last-event-id", &newest);
    assert_next(repeated, SSE, "newest", "the header is newer").await;
    let appended = get(&url, &follow).query(&[("lastEventId", &cursor), ("lastEventId", &newest)]);
    assert_next(appended, SSE, "newest", "an appended parameter is newer").await;
    assert_next(
        get(&url, &follow).query(&[("lastEventId", &cursor), ("lastEventId", &String::new())]),
        SSE,
        "missed",
        "empty",
    )
    .await;
    // In the body.
    for extra in [json!({ "lastEventId": cursor }), json!({ "extensions": { "lastEventId": cursor } })] {
        let mut body = json!({ "query": follow });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let request = crate::support::stream::http().post(&url).json(&body);
        assert_next(request, SSE, "missed", "in the body").await;
        let mut socket = Socket::ready(server.address()).await;
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": body })).await;
        assert_eq!(socket.next_text("1").await, "missed");
    }
}

#[tokio::test]
async fn a_cursor_that_cannot_be_used_is_rejected() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let cursor = client.cursor(&room).await;
    let http = http::Client::of(&server.url(""));
    let query = "{ activeRooms { totalCount } }";
    let assert_refused = async |request: RequestBuilder, how: &str| {
        let answer = Answer::receive(request).await;
        assert_eq!(error_code(&answer.json()), "CURSOR_INVALID", "{how}");
    };
    let post = || http.request("POST", "/graphql").json(&json!({ "query": query }));
    assert_refused(post().header("last-event-id", &cursor), "a query has no events").await;
    assert_refused(post().query(&[("lastEventId", &cursor)]), "a query has no events").await;
    let events =
        || http.request("POST", "/graphql").json(&json!({ "query": events_of(&room) })).header("accept", MULTIPART);
    assert_refused(events().header("last-event-id", "made up"), "never issued").await;
    assert_refused(events().header("last-event-id", b"\xff\xfe".as_slice()), "not text").await;
    assert_refused(events().header("last-event-id", &cursor).header("last-event-id", "other"), "two different ones")
        .await;
    let number = json!({ "query": events_of(&room), "extensions": { "lastEventId": 5 } });
    assert_refused(http.request("POST", "/graphql").json(&number), "a number").await;
    // A socket carries many operations, so its handshake cannot have a cursor.
    for (path, header) in [("/graphql?lastEventId=x", ""), ("/graphql", "last-event-id: x\r\n")] {
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: graphql-transport-ws\r\n{header}\r\n"
        );
        let answer = Raw::sending(server.address(), handshake).await.until("}]}").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("CURSOR_INVALID"), "{answer}");
    }
    let mut socket = Socket::ready_with(server.address(), json!({ "resume": { "1": cursor } })).await;
    socket.subscribe("1", query, Value::Null).await;
    assert_eq!(socket.refusal("1").await, "CURSOR_INVALID");
}
