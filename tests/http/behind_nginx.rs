//! Servers behind nginx with the configuration of deploy/nginx.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::support::client::{Client, SEND, User};
use crate::support::nginx::Nginx;
use crate::support::redis_server::RedisServer;
use crate::support::room_view::{assert_events_match, read_with_failover};
use crate::support::server::Server;
use crate::support::socket::PROTOCOL;
use crate::support::stream::{Stream, post};
use crate::support::subscriber::{EVENTS, Received, Subscriber};
use crate::support::transport::{Reader, Resume, Transport};
use crate::support::{TIMEOUT, http_client, http_get};

fn client(nginx: &Nginx) -> Client {
    Client::of(format!("http://{}/graphql", nginx.address()))
}

#[tokio::test]
async fn events_arrive_at_once_over_each_transport() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    // Without keep-alives, nothing else is sent that could flush a buffered event.
    let settings = [("REDIS_URL", url.as_str()), ("KEEP_ALIVE_INTERVAL", "1h")];
    let servers = [Server::with(&settings), Server::with(&settings)];
    let nginx = Nginx::before(&[servers[0].address(), servers[1].address()]);
    assert_events_arrive_at_once(&nginx, &Transport::ALL).await;
}

#[tokio::test]
async fn events_arrive_at_once_behind_an_nginx_without_streaming_settings() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "1h")]);
    let nginx = Nginx::minimal_before(server.address());
    // Only WebSockets need settings in nginx.
    assert_events_arrive_at_once(&nginx, &[Transport::ServerSentEvents, Transport::Multipart]).await;
}

/// Asserts that each event arrives over these transports before the next one is sent.
async fn assert_events_arrive_at_once(nginx: &Nginx, transports: &[Transport]) {
    let (client, mut ada) = (client(nginx), User::of(client(nginx)));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    for transport in transports {
        let stream = TcpStream::connect(nginx.address()).await.expect("a connection");
        let open = Reader::over(stream, *transport, &room, Some(start.clone()), Resume::Argument);
        let mut reader = open.await.expect("a subscription");
        for n in 0..3 {
            let last = format!("{transport:?} {n}");
            ada.send(&room, &last).await;
            let events = reader.until_sent_or_closed(&last).await;
            assert!(events.last().is_some_and(|event| event["message"]["text"] == last), "{events:?}");
        }
    }
}

#[tokio::test]
async fn everything_works_below_a_path_of_another_site() {
    let server = Server::with(&[("BASE_PATH", "/chat"), ("KEEP_ALIVE_INTERVAL", "1h")]);
    let address = server.address().trim_end_matches("/chat");
    let nginx = Nginx::before(&[address]);
    let url = |path: &str| format!("http://{}{path}", nginx.site());
    let client = Client::of(url("/chat/graphql"));
    let (room, mut ada) = (client.create_room().await, User::of(client.clone()));
    assert_eq!(http_get(url("/chat/")).await.status(), 200);
    for path in ["/graphql", "/chat/metrics"] {
        assert_eq!(http_get(url(path)).await.status(), 404, "{path}");
    }
    let query = "subscription($id: ID!, $code: String!) {
        messageEvents(roomId: $id, roomCode: $code) { message { text } } }";
    let variables = json!({ "id": room.id, "code": room.code });
    let mut stream = Stream::open(post(client.url(), "text/event-stream", query, variables)).await;
    assert!(stream.block().await.is_some_and(|first| first.id.is_some() && first.data.is_none()));
    client.wait_for_viewers(&room, 1).await;
    ada.send(&room, "below").await;
    let (_, event) = stream.next().await;
    assert_eq!(event["data"]["messageEvents"]["message"]["text"], "below");

    let stream = TcpStream::connect(nginx.site()).await.expect("a connection");
    let mut request = format!("ws://{}/chat/graphql", nginx.site()).into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    let (_socket, answer) = client_async(request, stream).await.expect("a socket");
    assert_eq!(answer.status(), 101);
}

/// Subscribes from this client address; returns the error if that fails.
async fn subscribe_from(address: &str, nginx: &Nginx) -> Result<Subscriber, String> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{address}:0").parse().expect("an address")).expect("an address of this machine");
    let stream = socket.connect(nginx.address().parse().expect("an address")).await.expect("a connection");
    let room = client(nginx).create_room().await;
    Subscriber::over(stream, PROTOCOL, EVENTS, &room, None, Resume::Argument).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn clients_are_distinguished_by_their_addresses() {
    let server = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("MAX_SOCKETS_PER_ADDRESS", "1")]);
    let nginx = Nginx::before(&[server.address()]);
    let _one = subscribe_from("127.0.0.2", &nginx).await.expect("a socket");
    let _other = subscribe_from("127.0.0.3", &nginx).await.expect("a socket");
    let refused = subscribe_from("127.0.0.2", &nginx).await.err().expect("one too many");
    assert!(refused.contains("429"), "{refused}");
}

#[tokio::test]
async fn client_cannot_forge_its_address() {
    let server = Server::with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("MAX_SOCKETS_PER_ADDRESS", "1")]);
    let nginx = Nginx::before(&[server.address()]);
    let from = |header: &'static str, value: &'static str| {
        let address = IpAddr::from([127, 0, 0, 2]);
        let http = http_client().local_address(address).build().expect("a client");
        let upgrade = http.get(format!("http://{}/graphql", nginx.address()));
        upgrade
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "graphql-transport-ws")
            .header(header, value)
            .send()
    };
    let first = from("x-request-id", "1").await.expect("an answer");
    assert_eq!(first.status(), 101);
    for (header, value) in [("x-forwarded-for", "9.9.9.9"), ("forwarded", "for=9.9.9.9"), ("x-real-ip", "9.9.9.9")] {
        assert_eq!(from(header, value).await.expect("an answer").status(), 429, "{header}: {value}");
    }
}

#[tokio::test]
async fn largest_request_passes_and_larger_ones_are_rejected() {
    let server = Server::embedded();
    let nginx = Nginx::before(&[server.address()]);
    let (client, room) = (client(&nginx), server.client().create_room().await);
    let send = async |length: usize| {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": "x".repeat(length) });
        let body = json!({ "query": SEND, "variables": { "input": input } });
        let http = http_client().build().expect("a client");
        http.post(client.url()).json(&body).send().await.expect("a response")
    };
    let accepted: Value = send(4_000).await.json().await.expect("JSON");
    assert!(accepted.get("errors").is_none(), "{accepted}");
    // The server itself rejects a text that is too long.
    let refused: Value = send(30_000).await.json().await.expect("JSON");
    assert_eq!(refused["errors"][0]["extensions"]["code"], "VALIDATION_FAILED", "{refused}");
    assert_eq!(send(70_000).await.status(), 413);
    assert_eq!(http_get(format!("http://{}/metrics", nginx.address())).await.status(), 404);
}

#[tokio::test]
async fn rolling_restart_loses_no_message() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), ("DRAIN_SECONDS", "1")];
    let mut servers = [Server::with(&settings), Server::with(&settings)];
    // A restarted server would get another port, so two more servers take over from the first two.
    let next = [Server::with(&settings), Server::with(&settings)];
    let all: Vec<_> = servers.iter().chain(&next).map(Server::address).collect();
    let nginx = Nginx::before(&all);
    let client = client(&nginx);
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let address = vec![nginx.address().to_owned()];
    let readers: Vec<_> = (0..6)
        .map(|_| tokio::spawn(read_with_failover(address.clone(), room.clone(), start.clone(), "the end".to_owned())))
        .collect();
    client.wait_for_viewers(&room, 6).await;

    let mut ada = User::with_own_token(client.clone());
    let mut sent = Vec::new();
    let mut send = async |text: String| {
        let start = Instant::now();
        loop {
            let answer = ada.try_send_once(&room, &text, Some(&text)).await;
            if answer.is_ok_and(|answer| answer["data"]["sendMessage"]["message"]["text"] == text.as_str()) {
                break;
            }
            assert!(start.elapsed() < TIMEOUT, "{text} is not accepted");
        }
        sent.push(Some(text));
    };
    for server in &mut servers {
        send("before".to_owned() + server.address()).await;
        server.signal("TERM");
        for n in 0..20 {
            send(format!("{n} {}", server.address())).await;
        }
        assert!(server.wait_for_exit().await.success());
    }
    send("the end".to_owned()).await;
    let texts = client.texts(&room).await;
    assert_eq!(texts, sent);
    for reader in readers {
        assert_events_match(&reader.await.expect("a reader"), &texts, 0);
    }
}

#[tokio::test]
async fn close_code_of_the_server_reaches_the_client() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "0")]);
    let nginx = Nginx::before(&[server.address()]);
    let client = client(&nginx);
    let room = client.create_room().await;
    let mut reader = Subscriber::open(nginx.address(), &room, None).await;
    client.wait_for_viewers(&room, 1).await;
    server.signal("TERM");
    let closed = loop {
        match reader.next().await {
            Received::Closed(code) => break code,
            Received::Complete => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed, Some(1012));
    assert!(server.wait_for_exit().await.success());
    assert_eq!(http_get(format!("http://{}/readyz", nginx.address())).await.status(), 502);
}
