//! Graceful shutdown, and the state after a restart or crash.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{SEND, User, text};
use crate::support::room_view::{RoomView, assert_events_match};
use crate::support::server::Server;
use crate::support::subscriber::{Received, Subscriber};

const SERVICE_RESTART: Option<u16> = Some(1012);

#[tokio::test]
async fn a_stopping_server_finishes_requests_and_closes_subscriptions_for_a_restart() {
    for (mut server, _redis) in Server::on_each_store(&[("DRAIN_SECONDS", "2")]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
        ada.send(&room, "before").await;
        subscriber.event().await;

        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": "in flight" });
        let body = json!({ "query": SEND, "variables": { "input": input } }).to_string();
        let mut request = TcpStream::connect(server.address()).await.expect("a connection");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\n\r\n",
            body.len()
        );
        request.write_all(head.as_bytes()).await.expect("an open connection");
        let mut answer = vec![0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        request.read_exact(&mut answer).await.expect("100 Continue");
        assert!(answer.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&answer));

        server.signal("TERM");
        let closed = loop {
            match subscriber.next().await {
                Received::Closed(code) => break code,
                Received::Complete => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(closed, SERVICE_RESTART);
        request.write_all(body.as_bytes()).await.expect("an open connection");
        let mut answer = String::new();
        request.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("in flight"), "{answer}");
        assert!(server.wait_for_exit().await.success());
        assert!(TcpStream::connect(server.address()).await.is_err());

        server.start();
        let texts = server.client().texts(&room).await;
        assert_eq!(texts, ["before", "in flight"].map(|text| Some(text.to_owned())));
    }
}

#[tokio::test]
async fn a_restarted_server_has_all_its_data() {
    let mut server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut subscriber = Subscriber::open(server.address(), &room, Some(start.clone())).await;
    let message = ada.send(&room, "first").await;
    ada.send(&room, "second").await;
    ada.edit(&room, &text(&message["id"]), "first, edited").await;
    subscriber.event().await;
    let view = RoomView::read(&client, &room).await;
    let fields = "id code createdAt expiresAt chatterCount cursor chatters { nodes { id displayName } }
        messages { totalCount nodes { id index text createdAt editedAt author { id displayName } } }";
    let before = client.query_room(&room, fields).await;
    assert!(server.terminate().await.success());
    server.start();

    let client = server.client();
    assert_eq!(client.query_room(&room, fields).await, before);
    view.assert_current(&client, &room).await;
    ada.client = client.clone();
    ada.send(&room, "third").await;
    // The reader resumes at the new server after the first event.
    let mut subscriber = Subscriber::open(server.address(), &room, subscriber.cursor).await;
    let events = subscriber.events(3).await;
    let kinds: Vec<_> = events.iter().map(|event| text(&event["__typename"])).collect();
    assert_eq!(kinds, ["MessageSent", "MessageEdited", "MessageSent"]);
    assert_eq!(subscriber.cursor, Some(client.cursor(&room).await));
}

#[tokio::test]
async fn a_reader_that_resumes_after_a_crash_misses_nothing() {
    let mut server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
    for n in 0..5 {
        ada.send(&room, &n.to_string()).await;
    }
    let mut events = subscriber.events(2).await;
    server.kill();
    server.start();
    ada.client = server.client();
    ada.send(&room, "after").await;
    let mut subscriber = Subscriber::open(server.address(), &room, Some(text(&events[1]["cursor"]))).await;
    events.extend(subscriber.events(4).await);
    assert_events_match(&events, &server.client().texts(&room).await, 0);
}
