//! Subscriptions over multipart HTTP, byte by byte.

use serde_json::{Value, json};

use crate::support::client::{User, error_code};
use crate::support::server::Server;
use crate::support::socket::{events_after, events_of};
use crate::support::stream::{Stream, post};

/// The `Accept` header of Apollo Client.
const APOLLO: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/graphql-response+json,\
                      application/json;q=0.9";

const BOUNDARY: &str = "\r\n--graphql";

async fn open(server: &Server, query: &str) -> Stream {
    Stream::open(post(&server.url("/graphql"), APOLLO, query, json!({}))).await
}

async fn open_stream(server: &Server, query: &str) -> Stream {
    let mut stream = open(server, query).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.until(BOUNDARY).await.as_deref(), Some(BOUNDARY), "the first boundary arrives at once");
    stream
}

/// The next part. It is complete once the boundary after it has arrived.
async fn part(stream: &mut Stream) -> Value {
    let part = stream.until(BOUNDARY).await.expect("a part and the boundary after it");
    let json = part.strip_prefix("\r\nContent-Type: application/json\r\n\r\n").expect("the header of a part");
    serde_json::from_str(json.strip_suffix(BOUNDARY).expect("a boundary")).expect("JSON")
}

#[tokio::test]
async fn each_part_arrives_together_with_the_boundary_after_it() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut stream = open_stream(&server, &events_of(&room)).await;
    assert_eq!(stream.header("content-type"), "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0");
    assert_eq!(stream.header("cache-control"), "no-store");
    assert!(stream.headers.get_all("cache-control").iter().any(|value| value == "no-transform"));
    assert_eq!(stream.header("x-accel-buffering"), "no");
    client.wait_for_viewers(&room, 1).await;
    for text in ["one", "two\n--graphql--\n"] {
        // Nothing is sent after this part until the next message.
        ada.send(&room, text).await;
        let cursor = client.cursor(&room).await;
        let event = json!({ "__typename": "MessageSent", "cursor": cursor, "message": { "text": text } });
        assert_eq!(part(&mut stream).await, json!({ "payload": { "data": { "messageEvents": event } } }));
    }
    drop(stream);
    client.wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn an_idle_stream_has_heartbeats_and_ends_with_its_room() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "1s"), ("ROOM_TTL", "5s")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    ada.send(&room, "replayed").await;
    let mut stream = open_stream(&server, &events_after(&room, &start)).await;
    assert_eq!(part(&mut stream).await["payload"]["data"]["messageEvents"]["message"]["text"], "replayed");
    assert_eq!(part(&mut stream).await, json!({}));
    let rest = stream.rest().await;
    assert!(rest == "--\r\n" || rest.ends_with("{}\r\n--graphql--\r\n"), "{rest:?}");
}

#[tokio::test]
async fn queries_and_rejected_requests_are_answered_with_a_single_response() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    for (query, status, code) in [
        (events_after(&room, "made up"), 400, "CURSOR_INVALID"),
        ("subscription { nonsense }".to_owned(), 400, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {".to_owned(), 400, "GRAPHQL_PARSE_FAILED"),
    ] {
        let answer = open(&server, &query).await;
        assert_eq!(answer.status, status, "{query}");
        assert_eq!(answer.header("content-type"), "application/graphql-response+json; charset=utf-8");
        let body = serde_json::from_str(&answer.rest().await).expect("JSON");
        assert_eq!(error_code(&body), code);
    }
    let answer = open(&server, "{ activeRooms { totalCount } }").await;
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_str(&answer.rest().await).expect("JSON");
    assert_eq!(body["data"]["activeRooms"]["totalCount"], 1);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_without_the_last_boundary() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let room = server.client().create_room().await;
    let stream = open_stream(&server, &events_of(&room)).await;
    server.signal("TERM");
    assert_eq!(stream.rest().await, "");
    assert!(server.wait_for_exit().await.success());
}
