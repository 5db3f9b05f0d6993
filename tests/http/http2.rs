//! HTTP/2 over TLS: every transport, the limits, clients that stop reading, and the end of the server.

use std::time::Duration;

use axum::body::Body;
use serde_json::json;

use crate::support::client::{Client, RoomKey, User};
use crate::support::eventually;
use crate::support::socket::events_of;
use crate::support::tls::{TlsServer, text, until};

const EVENT_STREAM: &str = "text/event-stream";

#[tokio::test]
async fn sockets_streams_and_requests_share_one_connection() {
    let tls = TlsServer::with(&[]);
    let tunnel = tls.tunnel().await;
    let client = Client::at(&tunnel.address());
    let room = client.create_room().await;
    let http2 = tls.http2().await;
    let mut socket = http2.web_socket().await;
    socket.init(json!({})).await;
    socket.follow("1", &client, &room).await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        let mut stream = http2.subscribe(&events_of(&room), EVENT_STREAM).await;
        until(&mut stream, "id: ").await;
        streams.push(stream);
    }
    let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
    let stream = http2.subscribe(&events_of(&room), multipart).await;
    assert!(stream.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("multipart/mixed")));
    streams.push(stream);
    for stream in &streams {
        for header in ["connection", "transfer-encoding", "keep-alive"] {
            assert!(!stream.headers().contains_key(header), "{:?}", stream.headers());
        }
    }
    client.wait_for_viewers(&room, 14).await;
    let long = "long ".repeat(800);
    User::of(Client::at(&tunnel.address())).send(&room, &long).await;
    assert_eq!(socket.next_text("1").await, *long);
    for stream in &mut streams {
        assert!(until(stream, "}}}}").await.contains(long.trim()));
    }
    assert_eq!(http2.get("/readyz", &[]).await, (200, "ok\n".to_owned()));
    drop((socket, streams));
    client.wait_for_viewers(&room, 0).await;
    tls.server.assert_no_panic();
}

#[tokio::test]
async fn hosts_origins_and_handshakes_are_checked_like_over_http1() {
    let tls = TlsServer::with(&[("CORS_ORIGINS", "https://site.example")]);
    let http2 = tls.http2().await;
    for (origin, status) in [("https://site.example", 200), ("https://localhost", 200), ("https://other.example", 403)]
    {
        assert_eq!(http2.handshake(&[("origin", origin)]).await.status(), status, "{origin}");
    }
    let other_version = [(":protocol", "websocket"), ("sec-websocket-version", "12")];
    assert_eq!(http2.send("CONNECT", "/graphql", &other_version, Body::empty()).await.status(), 400);
    let connect = http2.send("CONNECT", "/graphql", &[(":protocol", "connect-udp")], Body::empty()).await;
    assert_eq!(connect.status(), 501);
    for (headers, status) in [
        (&[(":authority", "127.0.0.1")][..], 200),
        (&[(":authority", "livechat"), ("host", "LiveChat")][..], 200),
        (&[(":authority", "rebound.example")][..], 403),
        (&[(":authority", "127.0.0.1"), ("host", "rebound.example")][..], 400),
    ] {
        assert_eq!(http2.get("/metrics", headers).await.0, status, "{headers:?}");
    }
    let large = [("content-type", "application/json"), ("accept", "application/json")];
    assert_eq!(http2.send("POST", "/graphql", &large, "x".repeat(100_000)).await.status(), 413);
    let long = "x".repeat(70_000);
    assert_eq!(http2.get("/readyz", &[("x-long", &long)]).await.0, 431);
    assert_eq!(http2.get("/readyz", &[]).await.0, 200, "the connection is still usable");
}

#[tokio::test]
async fn each_stream_counts_like_a_connection_and_an_idle_connection_is_closed() {
    let tls = TlsServer::with(&[("MAX_CONNECTIONS_PER_ADDRESS", "4"), ("REQUEST_TIMEOUT", "4s")]);
    let http2 = tls.http2().await;
    let create = json!({ "query": "mutation { createRoom { room { id code } } }" }).to_string();
    let created = http2.send("POST", "/graphql", &[("content-type", "application/json")], create).await;
    let created: serde_json::Value = serde_json::from_str(&text(created).await).expect("JSON");
    let field = |path: &str| created.pointer(path).and_then(|value| value.as_str()).expect("text").to_owned();
    let room = RoomKey { id: field("/data/createRoom/room/id"), code: field("/data/createRoom/room/code") };
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = http2.subscribe(&events_of(&room), EVENT_STREAM).await;
        until(&mut stream, "id: ").await;
        streams.push(stream);
    }
    let mut socket = http2.web_socket().await;
    socket.init(json!({})).await;
    let (status, reason) = http2.get("/readyz", &[]).await;
    assert!(status == 429 && reason.contains("close some first"), "{status} {reason}");
    drop(socket);
    eventually("the place of the socket is free", async || http2.get("/readyz", &[]).await.0 == 200).await;
    drop(streams);
    http2.closed().await;
}

#[tokio::test]
async fn a_client_that_stops_reading_one_stream_loses_that_stream_alone() {
    let tls = TlsServer::with(&[("WRITE_TIMEOUT", "2s")]);
    let tunnel = tls.tunnel().await;
    let client = Client::at(&tunnel.address());
    let [stalled_room, room] = [client.create_room().await, client.create_room().await];
    let mut user = User::of(Client::at(&tunnel.address()));
    let http2 = tls.http2_with_window(4_000).await;
    let _stalled = http2.subscribe(&events_of(&stalled_room), EVENT_STREAM).await;
    let mut stalled_socket = http2.web_socket().await;
    stalled_socket.init(json!({})).await;
    stalled_socket.subscribe("1", &events_of(&stalled_room), json!({})).await;
    let mut socket = http2.web_socket().await;
    socket.init(json!({})).await;
    socket.follow("1", &client, &room).await;
    client.wait_for_viewers(&stalled_room, 2).await;
    for _ in 0..30 {
        user.send(&stalled_room, &"x".repeat(3_000)).await;
    }
    client.wait_for_viewers(&stalled_room, 0).await;
    user.send(&room, "still here").await;
    assert_eq!(socket.next_text("1").await, "still here");
    assert_eq!(http2.get("/readyz", &[]).await.0, 200);
    // A response whose last bytes are not read is not held for ever, either.
    let _unread = http2.send("GET", "/", &[], Body::empty()).await;
    eventually("only the connections and one socket are left", async || {
        let (_, metrics) = http2.get("/metrics", &[(":authority", "127.0.0.1")]).await;
        // The connection over HTTP/2, its socket, this request, and the connections of the two clients.
        let open = metrics.lines().find_map(|line| line.strip_prefix("livechat_connections "));
        open.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count <= 5)
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_cancelled_at_once_do_no_harm() {
    let tls = TlsServer::with(&[]);
    for _ in 0..5 {
        let http2 = tls.http2().await;
        for _ in 0..400 {
            let query = json!({ "query": "{ activeRooms(first: 1) { totalCount } }" }).to_string();
            let request = http2.try_send("POST", "/graphql", &[("content-type", "application/json")], query);
            // The server may close the connection of such a client.
            if matches!(tokio::time::timeout(Duration::ZERO, request).await, Ok(Err(_))) {
                break;
            }
        }
    }
    assert_eq!(tls.http2().await.get("/readyz", &[]).await.0, 200);
    tls.server.assert_no_panic();
}

#[tokio::test]
async fn a_stopping_server_closes_sockets_with_1012_and_then_the_connection() {
    let mut tls = TlsServer::with(&[("DRAIN_SECONDS", "0")]);
    let tunnel = tls.tunnel().await;
    let client = Client::at(&tunnel.address());
    let room = client.create_room().await;
    let http2 = tls.http2().await;
    let mut socket = http2.web_socket().await;
    socket.init(json!({})).await;
    socket.follow("1", &client, &room).await;
    let mut stream = http2.subscribe(&events_of(&room), EVENT_STREAM).await;
    until(&mut stream, "id: ").await;
    tls.server.signal("TERM");
    assert_eq!(socket.close_frame().await.0, 1012);
    assert!(!text(stream).await.contains("complete"), "the client must reconnect");
    http2.closed().await;
    assert!(tls.server.wait_for_exit().await.success());
    assert!(!tls.server.log().contains("did not disconnect in time"), "{}", tls.server.log());
}
