//! Shutdown: the server refuses new clients, closes sockets and streams one by one, and exits in time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::{RoomKey, User, text};
use crate::support::eventually;
use crate::support::load::Senders;
use crate::support::redis_server::RedisServer;
use crate::support::room_view::{assert_events_match, read_with_failover};
use crate::support::server::Server;
use crate::support::socket::{Refused, Socket, events_of};
use crate::support::stream::{Stream, get, post};

/// Long enough for everything that happens during a drain, and for a machine that wakes the test seconds late.
const DRAIN: Duration = Duration::from_secs(6);

#[tokio::test]
async fn sockets_are_closed_one_by_one_and_new_ones_are_refused() {
    let mut server = Server::with(&[("DRAIN_SECONDS", &DRAIN.as_secs().to_string())]);
    let client = server.client();
    let room = client.create_room().await;
    let mut sockets = Vec::new();
    for _ in 0..16 {
        let mut socket = Socket::ready(server.address()).await;
        socket.follow("1", &client, &room).await;
        sockets.push(socket);
    }
    let mut streams = Vec::new();
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        streams.push(Stream::open(post(client.url(), accept, &events_of(&room), json!({}))).await);
    }
    assert_eq!(server.status("/readyz").await, 200);
    server.signal("TERM");
    let stopped_at = Instant::now();
    let closed = join_all(sockets.iter_mut().map(async |socket| {
        assert_eq!(socket.close_frame().await, (1012, "Service restart".to_owned()));
        stopped_at.elapsed()
    }));
    let refused = async {
        eventually("the server is not ready", async || server.status("/readyz").await == 503).await;
        assert_eq!(server.status("/healthz").await, 200);
        assert_eq!(Socket::try_open(server.address()).await.err(), Some(Refused(503, "UNAVAILABLE".into())));
        let late = |accept| Stream::open(post(client.url(), accept, &events_of(&room), json!({})));
        assert_eq!(late("multipart/mixed;subscriptionSpec=1.0").await.status, 503);
        // Browsers do not reconnect after a 503, so event streams get a retry time instead.
        assert_eq!(late("text/event-stream").await.rest().await, "retry: 1000\n\n");
    };
    let ended = join_all(streams.into_iter().map(Stream::rest));
    let (closed, (), ended) = futures_util::future::join3(closed, refused, ended).await;
    let (first, last) = (closed.iter().min().expect("a socket"), closed.iter().max().expect("a socket"));
    assert!(*last - *first > DRAIN / 10, "all were closed at the same time: {closed:?}");
    assert!(ended.iter().all(|rest| !rest.contains("complete") && !rest.ends_with("--\r\n")), "{ended:?}");
    assert!(server.wait_for_exit().await.success());
}

#[tokio::test]
async fn a_server_without_clients_exits_at_once() {
    // Longer than the test waits for the exit.
    let mut server = Server::with(&[("DRAIN_SECONDS", "60")]);
    server.client().create_room().await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn without_a_drain_all_sockets_are_closed_at_once() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "0")]);
    let client = server.client();
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("1", &client, &room).await;
    server.signal("TERM");
    assert_eq!(socket.close_frame().await.0, 1012);
    assert!(server.wait_for_exit().await.success());
}

/// Reads texts from an event stream up to `last`. Whenever the stream ends, resumes at the next address.
async fn read_stream_with_failover(addresses: Vec<String>, room: RoomKey, after: String, last: &str) -> Vec<String> {
    let (mut texts, mut after) = (Vec::new(), after);
    for address in addresses.iter().cycle() {
        let request = get(&format!("http://{address}/graphql"), &events_of(&room))
            .header("accept", "text/event-stream")
            .header("last-event-id", &after);
        // A stopping server refuses the stream; a stopped one refuses the connection.
        if let Some(mut stream) = Stream::try_open(request).await.filter(|stream| stream.status == 200) {
            while let Some(block) = stream.block().await {
                let (Some(id), Some(data)) = (block.id, block.data) else { continue };
                let event: serde_json::Value = serde_json::from_str(&data).expect("JSON");
                texts.push(text(&event["data"]["messageEvents"]["message"]["text"]));
                after = id;
                if texts.last().is_some_and(|text| text == last) {
                    return texts;
                }
            }
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    texts
}

#[tokio::test]
async fn readers_of_a_stopping_server_resume_on_another_and_miss_nothing() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let mut stopped = Server::with(&[("REDIS_URL", &url), ("DRAIN_SECONDS", "1")]);
    let other = Server::on_redis(&url);
    let client = other.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let addresses = vec![stopped.address().to_owned(), other.address().to_owned()];
    let sockets: Vec<_> = (0..4)
        .map(|_| tokio::spawn(read_with_failover(addresses.clone(), room.clone(), start.clone(), "the end".to_owned())))
        .collect();
    let streams: Vec<_> = (0..4)
        .map(|_| tokio::spawn(read_stream_with_failover(addresses.clone(), room.clone(), start.clone(), "the end")))
        .collect();
    client.wait_for_viewers(&room, 8).await;
    let senders = Senders::start(vec![client.clone()], &room, 3);
    senders.wait_for_accepted(30).await;
    assert!(stopped.terminate().await.success());
    senders.wait_for_accepted(30).await;
    senders.stop().await;
    User::of(client.clone()).send(&room, "the end").await;
    let texts = client.texts(&room).await;
    for reader in sockets {
        assert_events_match(&reader.await.expect("a reader that did not fail"), &texts, 0);
    }
    let texts: Vec<_> = texts.into_iter().flatten().collect();
    for reader in streams {
        assert_eq!(reader.await.expect("a reader that did not fail"), texts);
    }
}
