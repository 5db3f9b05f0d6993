//! GraphQL over server-sent events, for browsers' `EventSource` and other clients, and how they resume.

use serde_json::json;

use crate::support::client::{User, error_code, text};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::socket::{events_after, events_of};
use crate::support::stream::{Stream, get, post};

const SSE: &str = "text/event-stream";

/// A GET like that of a browser's `EventSource`, with the last event id when it reconnects.
async fn event_source(server: &Server, query: &str, last_event_id: Option<&str>) -> Stream {
    let request = get(&server.url("/graphql"), query).header("accept", SSE);
    Stream::open(last_event_id.into_iter().fold(request, |request, id| request.header("last-event-id", id))).await
}

/// Opens a stream like [`event_source`], and reads its first block.
async fn open_stream(server: &Server, query: &str, last_event_id: Option<&str>) -> Stream {
    let mut stream = event_source(server, query, last_event_id).await;
    assert_eq!(stream.status, 200);
    let first = stream.block().await.expect("a first block");
    assert!(first.retry.is_some_and(|retry| retry.parse::<u32>().is_ok_and(|millis| millis > 0)));
    stream
}

#[tokio::test]
async fn events_arrive_over_get_and_post_with_their_cursor_as_id() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let by_get = event_source(&server, &events_of(&room), None).await;
    let by_post = Stream::open(post(client.url(), SSE, &events_of(&room), json!({}))).await;
    client.wait_for_viewers(&room, 2).await;
    ada.send(&room, "two\nlines").await;
    let cursor = client.cursor(&room).await;
    for mut stream in [by_get, by_post] {
        assert_eq!(stream.status, 200);
        assert_eq!(stream.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(stream.header("cache-control"), "no-store");
        assert!(stream.headers.get_all("cache-control").iter().any(|value| value == "no-transform"));
        assert_eq!(stream.header("x-accel-buffering"), "no");
        assert!(stream.block().await.expect("a first block").retry.is_some());
        let (id, payload) = stream.next().await;
        let event = &payload["data"]["messageEvents"];
        assert_eq!(event["message"]["text"], "two\nlines");
        assert_eq!((id.as_deref(), &event["cursor"]), (Some(cursor.as_str()), &json!(cursor)));
    }
    // Both are dropped, and with them the viewers.
    client.wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn a_reader_that_reconnects_with_its_last_id_misses_nothing() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    for text in ["one", "two", "three"] {
        ada.send(&room, text).await;
    }
    let query = events_after(&room, &start);
    let mut stream = open_stream(&server, &query, None).await;
    let (id, first) = stream.next().await;
    assert_eq!(first["data"]["messageEvents"]["message"]["text"], "one");
    drop(stream);
    // The URL is the same as before. The id takes precedence over its cursor.
    let mut again = open_stream(&server, &query, id.as_deref()).await;
    for text in ["two", "three"] {
        assert_eq!(again.next().await.1["data"]["messageEvents"]["message"]["text"], text);
    }
    ada.send(&room, "live").await;
    assert_eq!(again.next().await.1["data"]["messageEvents"]["message"]["text"], "live");
}

#[tokio::test]
async fn a_rejected_request_is_an_event_of_a_stream_that_completes() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    let made_up = events_after(&room, "made up");
    let events = events_of(&room);
    for (query, id, code) in [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nonsense }", None, "GRAPHQL_VALIDATION_FAILED"),
        (&made_up, None, "CURSOR_INVALID"),
        (&events, Some("made up"), "CURSOR_INVALID"),
        ("mutation { createRoom { room { id } } }", None, "METHOD_NOT_ALLOWED"),
    ] {
        let mut stream = open_stream(&server, query, id).await;
        let (id, payload) = stream.next().await;
        assert_eq!((id, error_code(&payload)), (None, code.to_owned()), "{query}");
        assert!(payload.get("data").is_none(), "nothing was executed: {payload}");
        stream.assert_completes().await;
    }
    let rooms = server.client().data("{ activeRooms { totalCount } }", json!({})).await;
    assert_eq!(rooms["activeRooms"]["totalCount"], 1);
}

#[tokio::test]
async fn a_client_that_reconnects_after_the_end_gets_204() {
    let server = Server::embedded();
    let query = "{ activeRooms { totalCount } }";
    let mut stream = open_stream(&server, query, None).await;
    stream.next().await;
    let last = stream.block().await.expect("a last block");
    assert_eq!(last.event.as_deref(), Some("complete"));
    let again = event_source(&server, query, last.id.as_deref()).await;
    assert_eq!(again.status, 204);
    assert_eq!(again.rest().await, "");
}

#[tokio::test]
async fn queries_and_mutations_are_answered_with_one_event_and_complete() {
    let server = Server::embedded();
    let mutation = "mutation { createRoom { room { id } } }";
    let mut stream = Stream::open(post(server.client().url(), SSE, mutation, json!({}))).await;
    assert!(stream.block().await.expect("a first block").retry.is_some());
    let made = text(&stream.next().await.1["data"]["createRoom"]["room"]["id"]);
    stream.assert_completes().await;
    let mut stream = open_stream(&server, "{ activeRooms { nodes { id } } }", None).await;
    let (id, listed) = stream.next().await;
    assert_eq!((id, listed), (None, json!({ "data": { "activeRooms": { "nodes": [{ "id": made }] } } })));
    stream.assert_completes().await;
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive_and_completes_with_its_room() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "1s"), ("ROOM_TTL", "5s")]);
    let room = server.client().create_room().await;
    let mut stream = open_stream(&server, &events_of(&room), None).await;
    let idle = stream.block().await.expect("a comment");
    assert!(idle.comment.is_some() && idle.event.is_none(), "{idle:?}");
    let rest = stream.rest().await;
    assert!(rest.ends_with("event: complete\nid: complete\ndata:\n\n"), "{rest:?}");
    assert!(!rest.contains("event: next"), "{rest:?}");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_without_completing_them() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let room = server.client().create_room().await;
    let stream = open_stream(&server, &events_of(&room), None).await;
    server.signal("TERM");
    assert_eq!(stream.rest().await, "", "so that the client reconnects, to another server");
    assert!(server.wait_for_exit().await.success());
}

#[tokio::test]
async fn a_stream_that_is_temporarily_unavailable_does_not_complete() {
    let mut redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let room = server.client().create_room().await;
    redis.kill();
    let rest = event_source(&server, &events_of(&room), None).await.rest().await;
    assert!(rest.contains("event: next") && rest.contains("UNAVAILABLE"), "{rest}");
    assert!(!rest.contains("complete"), "{rest}");
}

#[tokio::test]
async fn a_stream_whose_opening_times_out_reports_it_and_does_not_complete() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let server = Server::on_redis(&url);
    let short_timeout = Server::with(&[("REDIS_URL", &url), ("REDIS_TIMEOUT", "30s"), ("OPERATION_TIMEOUT", "200ms")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    redis.signal("STOP");
    let mut stream = open_stream(&short_timeout, &events_of(&room), Some(&start)).await;
    let (id, answer) = stream.next().await;
    redis.signal("CONT");
    assert_eq!((id, error_code(&answer)), (None, "TIMEOUT".to_owned()));
    // It has not completed: a browser reconnects with the id that it had.
    assert_eq!(stream.rest().await, "");
    ada.send(&room, "meanwhile").await;
    let mut stream = open_stream(&server, &events_of(&room), Some(&start)).await;
    assert_eq!(stream.next().await.1["data"]["messageEvents"]["message"]["text"], "meanwhile");
}
