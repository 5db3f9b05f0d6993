//! Limits on the size of responses, and on unsent bytes.

use std::net::IpAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::client::{Client, RoomKey, User, error_code, text};
use crate::support::eventually;
use crate::support::memory::resident_bytes;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::stream::{Stream, get, post};

const MIB: u64 = 1024 * 1024;

/// A query for a page of messages, with the text of each under this many aliases.
fn page_query(aliases: usize) -> String {
    let texts: String = (0..aliases).map(|n| format!("t{n}: text ")).collect();
    format!(
        "query($id: ID!, $code: String!, $n: Int) {{ room(id: $id, code: $code) {{
            messages(last: $n) {{ nodes {{ {texts} }} }} }} }}"
    )
}

fn variables(room: &RoomKey, n: usize) -> Value {
    json!({ "id": room.id, "code": room.code, "n": n })
}

/// A room with 100 messages of 16 kB.
async fn full_room(client: &Client) -> RoomKey {
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for _ in 0..100 {
        ada.send_patiently(&room, &"\u{1f980}".repeat(4_000)).await;
    }
    room
}

#[tokio::test]
async fn a_response_that_is_too_large_is_refused_over_every_transport() {
    let server = Server::embedded();
    let client = server.client();
    let room = full_room(&client).await;
    let query = page_query(30);
    // 48 MB.
    let too_large = variables(&room, 100);
    assert_eq!(client.code(&query, too_large.clone()).await, "RESPONSE_TOO_LARGE");
    // A document that was executed once without an error is answered on the fast path from then on.
    let small = client.data(&query, variables(&room, 1)).await;
    assert_eq!(small["room"]["messages"]["nodes"][0]["t29"].as_str().map(str::len), Some(16_000));
    for _ in 0..2 {
        assert_eq!(client.code(&query, too_large.clone()).await, "RESPONSE_TOO_LARGE");
    }
    let newer = post(client.url(), "application/graphql-response+json", &query, too_large.clone());
    let refused = newer.send().await.expect("an answer");
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.expect("JSON");
    assert_eq!(error_code(&refused), "RESPONSE_TOO_LARGE");
    assert!(refused["errors"][0]["message"].as_str().is_some_and(|sentence| sentence.contains("16777216 bytes")));

    let literal = query.replace("query($id: ID!, $code: String!, $n: Int)", "query");
    let literal = literal.replace("$id", &format!("\"{}\"", room.id)).replace("$code", &format!("\"{}\"", room.code));
    let by_get = get(client.url(), &literal.replace("$n", "100")).header("accept", "application/json");
    let refused: Value = by_get.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(error_code(&refused), "RESPONSE_TOO_LARGE");

    let mut stream = Stream::open(post(client.url(), "text/event-stream", &query, too_large.clone())).await;
    stream.block().await.expect("the retry time");
    assert_eq!(error_code(&stream.next().await.1), "RESPONSE_TOO_LARGE");

    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &query, too_large).await;
    assert_eq!(socket.refusal("1").await, "RESPONSE_TOO_LARGE");
}

#[tokio::test]
async fn every_part_of_a_response_counts_towards_its_limit() {
    let server = Server::with(&[("RESPONSE_MAX_BYTES", "65536")]);
    let client = server.client();
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for _ in 0..100 {
        ada.send(&room, "short").await;
    }
    let key = json!({ "id": room.id, "code": room.code });
    let room_query =
        |fields: &str| format!("query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ {fields} }} }}");
    let name = "n".repeat(120);
    let many = |field: &str, count: usize| (0..count).map(|n| field.replace('#', &n.to_string())).collect::<String>();
    for fields in [
        // Long aliases, ids, names of users, cursors, and the same page many times.
        format!("messages(last: 100) {{ nodes {{ {} }} }}", many(&format!("{name}#: index "), 9)),
        format!("messages(last: 100) {{ nodes {{ {} }} }}", many("a#: id ", 25)),
        format!("messages(last: 100) {{ nodes {{ author {{ {} }} }} }}", many("a#: id b#: displayName ", 14)),
        many("m#: messages(last: 100) { edges { cursor } } ", 29),
    ] {
        assert_eq!(client.code(&room_query(&fields), key.clone()).await, "RESPONSE_TOO_LARGE", "{fields}");
    }
    assert_eq!(
        client.query_room(&room, "messages(last: 1) { nodes { text } }").await["messages"]["nodes"][0]["text"],
        "short"
    );
}

#[tokio::test]
async fn a_page_of_100_of_the_longest_messages_with_every_field_is_answered_over_every_transport() {
    let server = Server::with(&[
        ("TEXT_MAX_LENGTH", "16000"),
        ("DISPLAY_NAME_MAX_LENGTH", "1000"),
        ("USER_ID_MAX_LENGTH", "1000"),
        ("BODY_MAX_BYTES", "200000"),
        ("VARIABLES_MAX_BYTES", "200000"),
    ]);
    let client = server.client();
    let room = client.create_room().await;
    let (long, id) = (|count: usize| "\u{1f980}".repeat(count), "u".repeat(1_000));
    let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { token } }";
    let mut token = Value::Null;
    for n in 0..100 {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": id, "token": token, "text": long(16_000),
            "displayName": long(1_000), "clientMessageId": format!("{n:0>128}") });
        token = client.data(send, json!({ "input": input })).await["sendMessage"]["token"].clone();
    }
    let message = "id index text createdAt editedAt deletedAt clientMessageId author { id displayName }";
    let query = format!(
        "query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ id code createdAt expiresAt chatterCount cursor
            messages(last: 100) {{ totalCount nodes {{ {message} }} edges {{ cursor node {{ {message} }} }}
                pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
    );
    let key = json!({ "id": room.id, "code": room.code });
    let check = |data: &Value| {
        let page = &data["room"]["messages"];
        for message in (0..100).flat_map(|n| [&page["nodes"][n], &page["edges"][n]["node"]]) {
            assert_eq!(message["text"].as_str().map(str::len), Some(64_000));
            assert_eq!(message["author"]["displayName"].as_str().map(str::len), Some(4_000));
        }
    };
    // By the schema first, and then on the fast path.
    for _ in 0..2 {
        check(&client.data(&query, key.clone()).await);
    }
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &query, key.clone()).await;
    check(&socket.receive().await["payload"]["data"]);
    assert_eq!(socket.receive().await["type"], "complete");
    let streamed = post(client.url(), "text/event-stream", &query, key).send().await.expect("an answer");
    let streamed = streamed.text().await.expect("all of it");
    let data = streamed.lines().find_map(|line| line.strip_prefix("data: ")).expect("a line of data");
    check(&serde_json::from_str::<Value>(data).expect("JSON")["data"]);
    assert!(streamed.ends_with("event: complete\nid: complete\ndata:\n\n"));
}

/// A connection from this address with small buffers.
async fn small_connection(server: &Server, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.bind(format!("{from}:0").parse().expect("an address")).expect("an address of this machine");
    socket.connect(server.address().parse().expect("an address")).await.expect("a connection")
}

/// Sends a request, and reads only the head of the response.
async fn read_response_head(connection: &mut TcpStream, accept: &str, query: &str, variables: Value) -> String {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: server\r\naccept: {accept}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.expect("an open connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("a response"));
    }
    String::from_utf8(head).expect("text")
}

fn other_client(server: &Server) -> Client {
    Client::from_address(server.url("/graphql"), IpAddr::from([127, 0, 0, 9]))
}

#[tokio::test]
async fn a_client_that_reads_slowly_holds_at_most_its_share_of_memory() {
    let server = Server::with(&[("UNSENT_MAX_BYTES_PER_CLIENT", "20000000"), ("WRITE_TIMEOUT", "10m")]);
    let client = server.client();
    let room = full_room(&client).await;
    let query = page_query(6);
    // Each response has 9.6 MB.
    for accept in ["application/json", "text/event-stream"] {
        client.data(&query, variables(&room, 1)).await;
        let before = resident_bytes(server.process_id());
        let (mut slow, mut refused) = (Vec::new(), 0);
        for _ in 0..40 {
            let mut connection = small_connection(&server, "127.0.0.1").await;
            let head = read_response_head(&mut connection, accept, &query, variables(&room, 100)).await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            refused += usize::from(length.parse::<u64>().expect("a number") < 1_000);
            slow.push(connection);
        }
        assert!(refused >= 38, "{refused} of 40 were refused over {accept}");
        let grown = resident_bytes(server.process_id()).saturating_sub(before);
        assert!(grown < 100 * MIB, "{} MiB more over {accept}", grown / MIB);
        // Small responses are not refused, nor are those of other clients.
        assert_eq!(text(&client.query_room(&room, "id").await["id"]), room.id);
        let others = other_client(&server).data(&query, variables(&room, 100)).await;
        assert_eq!(others["room"]["messages"]["nodes"].as_array().map(Vec::len), Some(100));
        let again = async || client.request(&query, variables(&room, 100)).await.get("errors").is_none();
        assert!(!again().await, "the share is used up");
        drop(slow);
        eventually("the memory of closed connections is freed", again).await;
    }
}

#[tokio::test]
async fn a_response_refused_for_lack_of_memory_has_a_temporary_code() {
    let server = Server::with(&[("UNSENT_MAX_BYTES", "3000000")]);
    let client = server.client();
    let room = full_room(&client).await;
    // 3.2 MB in every form. Only a smaller page can succeed.
    let query = page_query(2);
    let answer = post(client.url(), "application/json", &query, variables(&room, 100)).send().await.expect("an answer");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(error_code(&answer.json().await.expect("JSON")), "OVERLOADED");
    let streamed =
        post(client.url(), "text/event-stream", &query, variables(&room, 100)).send().await.expect("an answer");
    let streamed = streamed.text().await.expect("all of it");
    assert!(
        streamed.contains("OVERLOADED") && !streamed.contains("complete"),
        "a completed stream would stop the client: {streamed}"
    );
    let mut socket = Socket::ready(server.address()).await;
    socket.subscribe("1", &query, variables(&room, 100)).await;
    assert_eq!(socket.refusal("1").await, "OVERLOADED");
    // The memory of the refused responses is free a moment later.
    eventually("a smaller page succeeds", async || {
        client.request(&query, variables(&room, 10)).await.get("errors").is_none()
    })
    .await;
}

#[tokio::test]
async fn a_mutation_whose_result_might_not_be_sendable_is_refused_before_it_runs() {
    let server = Server::with(&[("UNSENT_MAX_BYTES_PER_CLIENT", "100000")]);
    let client = server.client();
    let room = client.create_room().await;
    let texts: String = (0..29).map(|n| format!("t{n}: text ")).collect();
    let send = format!(
        "mutation($input: SendMessageInput!) {{ sendMessage(input: $input) {{ token message {{ {texts} }} }} }}"
    );
    let input = |text: &str| json!({ "input": { "roomId": room.id, "roomCode": room.code, "text": text } });
    assert_eq!(client.code(&send, input(&"x".repeat(4_000))).await, "OVERLOADED");
    assert_eq!(client.texts(&room).await, Vec::<Option<String>>::new());
    client.data(&send, input("short")).await;
    // A send that may be a repeat may return the text of the earlier send.
    let repeatable = client.code(
        &send,
        json!({ "input": { "roomId": room.id, "roomCode": room.code, "text": "short",
        "clientMessageId": "a0" } }),
    );
    assert_eq!(repeatable.await, "OVERLOADED");
    let mut ada = User::of(client.clone());
    ada.send(&room, &"x".repeat(4_000)).await;
    assert_eq!(client.texts(&room).await.len(), 2);
}

#[tokio::test]
async fn a_socket_frees_the_memory_of_large_responses() {
    let server = Server::embedded();
    let client = server.client();
    let room = full_room(&client).await;
    let query = page_query(9);
    let mut sockets = Vec::new();
    let before = resident_bytes(server.process_id());
    for _ in 0..20 {
        let mut socket = Socket::ready(server.address()).await;
        socket.subscribe("1", &query, variables(&room, 100)).await;
        let answer = socket.receive().await;
        assert_eq!(answer["payload"]["data"]["room"]["messages"]["nodes"].as_array().map(Vec::len), Some(100));
        socket.raw.clear();
        sockets.push(socket);
    }
    let grown = resident_bytes(server.process_id()).saturating_sub(before);
    assert!(grown < 120 * MIB, "20 responses of 14 MB left {} MiB", grown / MIB);
}

#[tokio::test]
async fn stalled_subscribers_of_large_events_hold_their_share_of_memory_and_resume() {
    let server = Server::with(&[("UNSENT_MAX_BYTES_PER_CLIENT", "1000000"), ("WRITE_TIMEOUT", "10m")]);
    let client = server.client();
    let room = client.create_room().await;
    let texts: String = (0..30).map(|n| format!("t{n}: text ")).collect();
    // Each event has 480 kB.
    let events = format!(
        "subscription($id: ID!, $code: String!) {{ messageEvents(roomId: $id, roomCode: $code) {{
            message {{ {texts} }} }} }}"
    );
    let key = json!({ "id": room.id, "code": room.code });
    let mut slow = Vec::new();
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        for _ in 0..20 {
            let mut connection = small_connection(&server, "127.0.0.1").await;
            let head = read_response_head(&mut connection, accept, &events, key.clone()).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            slow.push(connection);
        }
    }
    client.wait_for_viewers(&room, 40).await;
    let mut ada = User::of(Client::from_address(server.url("/graphql"), IpAddr::from([127, 0, 0, 9])));
    let before = resident_bytes(server.process_id());
    for _ in 0..10 {
        ada.send(&room, &"\u{1f980}".repeat(4_000)).await;
    }
    // Streams that would need more are closed, and their clients resume from their cursors.
    eventually("the readers are disconnected", async || {
        let viewers = ada.client.query_room(&room, "viewerCount").await["viewerCount"].as_u64().expect("a number");
        viewers <= 4
    })
    .await;
    let grown = async || resident_bytes(server.process_id()).saturating_sub(before);
    eventually("at most 60 MiB are in use", async || grown().await < 60 * MIB).await;
}
