//! Connections that send garbage, too much, too slowly or nothing, and too many connections.

use std::process::Command;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::User;
use crate::support::raw::{Raw, post};
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, post as post_query};
use crate::support::{TIMEOUT, eventually};

const QUERY: &str = r#"{"query":"{ __typename }"}"#;

/// The status of the only response on a connection.
fn status(answer: &str) -> u16 {
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "not exactly one response: {answer}");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no response: {answer:?}"))
}

async fn assert_serves_others(server: &Server) {
    assert_eq!(server.status("/healthz").await, 200);
}

#[tokio::test]
async fn bytes_that_are_not_http_get_one_response_and_the_connection_ends() {
    let server = Server::embedded();
    let hello: &[u8] =
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n";
    for bytes in [hello, b"\0\0\0\0\r\n\r\n", b"EHLO me\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\xff\xfe\xfd\r\n\r\n"] {
        let connection = Raw::sending(server.address(), bytes).await;
        assert_eq!(status(&connection.rest().await), 400, "{bytes:?}");
        assert_serves_others(&server).await;
    }
    // HTTP/2 is not served, and its client would not understand a response in HTTP/1.1.
    let received = Raw::sending(server.address(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.rest().await;
    assert!(received.is_empty() || status(&received) == 400, "{received}");
}

#[tokio::test]
async fn a_request_of_ambiguous_length_is_refused() {
    let server = Server::embedded();
    for headers in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 5\r\n",
        "content-length: +5\r\n",
        "content-length: -1\r\n",
        "content-length: 0x5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 5\r\n transfer-encoding: chunked\r\n",
    ] {
        let connection = Raw::sending(server.address(), post("/graphql", headers, "0\r\n\r\n")).await;
        assert_eq!(status(&connection.rest().await), 400, "{headers}");
    }
    let old = "POST /graphql HTTP/1.0\r\nhost: server\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&Raw::sending(server.address(), old).await.rest().await), 400);
    assert_serves_others(&server).await;
}

#[tokio::test]
async fn no_request_is_smuggled_behind_a_chunked_body() {
    let server = Server::embedded();
    let chunked = format!("{:x}\r\n{QUERY}\r\n0\r\n\r\n", QUERY.len());
    let smuggled = "GET /room/create HTTP/1.1\r\nhost: server\r\n\r\n";
    let length = chunked.len() + smuggled.len();
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        "transfer-encoding: chunked\r\n".to_owned(),
    ] {
        let request = post("/graphql", &headers, &format!("{chunked}{smuggled}"));
        let answer = Raw::sending(server.address(), request).await.rest().await;
        assert_eq!(status(&answer), 200, "{headers}");
        assert!(answer.contains("__typename"), "{answer}");
    }
    let rooms = server.client().data("{ activeRooms(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(rooms["activeRooms"]["totalCount"], 0);
}

#[tokio::test]
async fn request_heads_are_limited_in_headers_and_bytes() {
    let server = Server::embedded();
    let lines = |count: usize| (0..count).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n");
    for (request, expected) in [(get("/healthz", &lines(99)), 200), (get("/healthz", &lines(100)), 431)] {
        assert_eq!(status(&Raw::sending(server.address(), request).await.rest().await), expected);
    }
    let megabyte = "y".repeat(1024 * 1024);
    for request in [
        get("/healthz", &lines(10_000)),
        get(&format!("/{megabyte}"), ""),
        get("/healthz", &format!("x: {megabyte}\r\n")),
        megabyte,
    ] {
        // A client that is still sending when it is refused may not receive the response.
        let received = Raw::sending(server.address(), request).await.rest().await;
        assert!(received.is_empty() || [400, 414, 431].contains(&status(&received)), "{received}");
        assert_serves_others(&server).await;
    }
}

#[tokio::test]
async fn endless_chunk_extensions_and_trailers_end_the_connection() {
    let server = Server::embedded();
    let endless = "y".repeat(256 * 1024);
    let trailers = "x: y\r\n".repeat(50_000);
    for body in [format!("1;{endless}"), format!("0\r\n{trailers}\r\n"), "ffffffffffffffff1\r\n".to_owned()] {
        let request = post("/graphql", "transfer-encoding: chunked\r\n", &body);
        let received = Raw::sending(server.address(), request).await.rest().await;
        assert!(received.is_empty() || status(&received) == 400, "{received}");
        assert_serves_others(&server).await;
    }
}

#[tokio::test]
async fn a_slow_request_head_ends_the_connection() {
    let server = Server::with(&[("REQUEST_TIMEOUT", "3s")]);
    let endless = "x".repeat(400);
    let dripped = join_all(["GET /", "GET / HTTP/1.1\r\nhost: server\r\nx: ", "\r\n"].map(async |start| {
        let connection = Raw::sending(server.address(), start).await;
        connection.send_slowly(endless.as_bytes()).await
    }));
    let (received, ()) = futures_util::future::join(dripped, assert_serves_others(&server)).await;
    assert_eq!(received, ["", "", ""]);
}

#[tokio::test]
async fn a_slow_request_body_is_refused_and_ends_the_connection() {
    let server = Server::with(&[("REQUEST_TIMEOUT", "3s")]);
    let endless = " ".repeat(400);
    let length = "content-length: 10000\r\n";
    let dripped = join_all(
        [
            post("/graphql", length, ""),
            post("/graphql", "transfer-encoding: chunked\r\n", "2710\r\n"),
            post("/room", length, ""),
        ]
        .map(async |head| Raw::sending(server.address(), head).await.send_slowly(endless.as_bytes()).await),
    );
    let (answers, ()) = futures_util::future::join(dripped, assert_serves_others(&server)).await;
    for answer in answers {
        assert_eq!(status(&answer), 408);
        assert!(answer.contains(r#""code":"REQUEST_TIMEOUT""#), "{answer}");
    }
}

#[tokio::test]
async fn idle_connections_are_closed_but_streams_and_sockets_are_not() {
    let server = Server::with(&[("REQUEST_TIMEOUT", "3s")]);
    let client = server.client();
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &events_of(&room), json!({})).await;
    let mut streams = Vec::new();
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        streams.push(Stream::open(post_query(client.url(), accept, &events_of(&room), json!({}))).await);
    }
    client.wait_for_viewers(&room, 3).await;
    for _ in 0..2 {
        // An incomplete upgrade request.
        let half = "GET /graphql HTTP/1.1\r\nhost: server\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
        let whole = "GET /healthz HTTP/1.1\r\nhost: server\r\n\r\n";
        let idle = ["", half, whole].map(async |sent| Raw::sending(server.address(), sent).await.rest().await);
        let received = join_all(idle).await;
        assert_eq!(received[..2], ["", ""]);
        assert_eq!(status(&received[2]), 200);
    }
    User::of(client.clone()).send(&room, "still here").await;
    assert_eq!(socket.next_text("1").await, "still here");
    for stream in &mut streams {
        assert!(stream.until("still here").await.is_some());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_responses_is_disconnected() {
    let server = Server::with(&[("WRITE_TIMEOUT", "1s")]);
    let client = server.client();
    let room = client.create_room().await;
    let mut user = User::of(client.clone());
    for _ in 0..40 {
        user.send(&room, &"x".repeat(4_000)).await;
    }
    let query = format!(
        "{{ room(id: \\\"{}\\\", code: \\\"{}\\\") {{ messages(last: 40) {{ nodes {{ text }} }} }} }}",
        room.id, room.code
    );
    let body = format!(r#"{{"query":"{query}"}}"#);
    let request = post("/graphql", &format!("content-length: {}\r\n", body.len()), &body);
    // More than the operating system buffers.
    let connection = Raw::sending(server.address(), request.repeat(200)).await;
    let lost = async {
        loop {
            match connection.0.try_write(b"\r\n") {
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(TIMEOUT, lost).await.expect("the server disconnects in time");
    assert_serves_others(&server).await;
}

#[tokio::test]
async fn connections_per_address_are_limited_and_a_socket_counts_as_one() {
    let server = Server::with(&[("MAX_CONNECTIONS_PER_ADDRESS", "3")]);
    let mut held = vec![Raw::open(server.address()).await, Raw::open(server.address()).await];
    let _socket = Socket::ready(server.address()).await;
    assert_eq!(status(&Raw::open(server.address()).await.rest().await), 429);
    held.pop();
    let again = async || {
        let connection = Raw::sending(server.address(), "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await;
        connection.rest().await.starts_with("HTTP/1.1 200")
    };
    eventually("a connection is free again", again).await;
    eventually("the refusal is logged", async || server.log().contains("too many are open limit=\"address\"")).await;
}

#[tokio::test]
async fn total_connections_are_limited_and_a_trusted_proxy_may_use_them_all() {
    let server = Server::with(&[
        ("MAX_CONNECTIONS", "3"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1"),
    ]);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = Raw::sending(server.address(), "GET /healthz HTTP/1.1\r\nhost: server\r\n\r\n").await;
        assert!(connection.until("ok\n").await.starts_with("HTTP/1.1 200"));
        held.push(connection);
    }
    assert_eq!(status(&Raw::open(server.address()).await.rest().await), 503);
    eventually("the refusal is logged", async || server.log().contains("too many are open limit=\"all\"")).await;
}

#[tokio::test]
async fn a_server_out_of_file_descriptors_recovers() {
    let server = Server::embedded();
    assert_serves_others(&server).await;
    let limit = format!("--nofile={0}:{0}", 64);
    let limited = Command::new("prlimit").args([format!("--pid={}", server.process_id()), limit]).status();
    assert!(limited.expect("the prlimit command").success());
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(Raw::open(server.address()).await);
    }
    eventually("the failure is logged", async || server.log().contains("cannot accept connections")).await;
    drop(held);
    assert_serves_others(&server).await;
    assert_eq!(server.log().matches("cannot accept connections").count(), 1, "the failure is logged once");
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let server = Server::embedded();
    for (path, headers) in [
        ("/graphql", "content-encoding: gzip\r\ncontent-length: 2\r\n"),
        ("/room", "content-encoding: br\r\ncontent-length: 2\r\n"),
        ("/graphql", "content-encoding: identity, gzip\r\ncontent-length: 2\r\n"),
        ("/graphql", "transfer-encoding: gzip, chunked\r\n"),
    ] {
        let answer = Raw::sending(server.address(), post(path, headers, "{}")).await.rest().await;
        assert_eq!(status(&answer), 415, "{headers}");
        assert!(answer.contains(r#""code":"ENCODING_UNSUPPORTED""#), "{answer}");
    }
    let length = QUERY.len();
    let plain = post("/graphql", &format!("content-encoding: identity\r\ncontent-length: {length}\r\n"), QUERY);
    assert!(Raw::sending(server.address(), plain).await.until("}}").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_large_request_that_expects_100_continue_is_refused_at_once() {
    let server = Server::embedded();
    for (path, words) in [("/graphql", "PAYLOAD_TOO_LARGE"), ("/room", "Request body too large")] {
        let request = post(path, "expect: 100-continue\r\ncontent-length: 65537\r\n", "");
        let answer = Raw::sending(server.address(), request).await.rest().await;
        assert_eq!(status(&answer), 413, "{path}");
        assert!(answer.contains(words), "{answer}");
    }
    let request = post("/graphql", &format!("expect: 100-continue\r\ncontent-length: {}\r\n", QUERY.len()), "");
    let mut connection = Raw::sending(server.address(), request).await;
    assert_eq!(connection.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(QUERY).await;
    assert!(connection.until("}}").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_chunked_body_that_grows_too_large_is_refused() {
    let server = Server::embedded();
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for (path, words) in [("/graphql", "PAYLOAD_TOO_LARGE"), ("/room", "Request body too large")] {
        let body = format!("{chunk}{chunk}1\r\n \r\n");
        let request = post(path, "transfer-encoding: chunked\r\n", &body);
        let answer = Raw::sending(server.address(), request).await.rest().await;
        assert_eq!(status(&answer), 413, "{path}");
        assert!(answer.contains(words), "{answer}");
    }
}
