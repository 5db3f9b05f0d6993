//! Effect of one expensive client on the others: memory of the server while 40 connections do not read large responses, and
//! latency of other sends while a room has 1,000 distinct subscriptions. Run by hand:
//!
//! ```sh
//! cargo bench --bench attacks                        # this version
//! cargo bench --bench attacks -- /path/to/livechat   # another version, to compare
//! ```
//!
//! Prints a line of JSON for each attack.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::client::{Client, RoomKey, User};
use support::memory::resident_bytes;
use support::server::Server;
use support::socket::Socket;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

const MIB: u64 = 1024 * 1024;
const CONNECTIONS: usize = 40;
const SUBSCRIPTIONS: usize = 1_000;
const MESSAGES: usize = 50;
const INTERVAL: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let program = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let start = |settings: &[(&str, &str)]| match &program {
        Some(program) => Server::started_by(vec![program.clone()], settings),
        None => Server::with(settings),
    };
    let server = start(&[]);
    println!("{}", slow_readers(&server).await);
    // Older versions have neither the setting nor the limit.
    for limit in ["500", "100000"] {
        let server =
            start(&[("MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT", limit), ("MAX_DISTINCT_SUBSCRIPTIONS", "100000")]);
        let mut result = distinct_subscriptions(&server).await;
        result["max_distinct_subscriptions_per_client"] = limit.into();
        println!("{result}");
    }
}

/// Requests 100 messages of 16 kB, with the text under 30 aliases, on connections that never read.
async fn slow_readers(server: &Server) -> Value {
    let client = server.client();
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for _ in 0..100 {
        ada.send(&room, &"\u{1f980}".repeat(4_000)).await;
    }
    let mut result = json!({ "attack": "slow readers", "connections": CONNECTIONS });
    for aliases in [30, 9, 1] {
        let before_attack = median_send(&client, &room).await;
        let before = resident_bytes(server.process_id());
        let texts: String = (0..aliases).map(|n| format!("t{n}:text ")).collect();
        let query =
            format!("query($i:ID!,$c:String!){{room(id:$i,code:$c){{messages(last:100){{nodes{{{texts}}}}}}}}}");
        let body = json!({ "query": query, "variables": { "i": room.id, "c": room.code } }).to_string();
        let mut connections = Vec::new();
        let mut most = before;
        for _ in 0..CONNECTIONS {
            let mut connection = connect_narrow(server).await;
            let length = body.len();
            let head = format!(
                "POST /graphql HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            connection.write_all((head + &body).as_bytes()).await.expect("an open connection");
            connections.push(connection);
        }
        let start = Instant::now();
        let mut latencies = Vec::new();
        let mut bob = User::of(client.clone());
        while start.elapsed() < Duration::from_secs(20) {
            let sent = Instant::now();
            bob.send(&room, "meanwhile").await;
            latencies.push(sent.elapsed());
            most = most.max(resident_bytes(server.process_id()));
            tokio::time::sleep(INTERVAL).await;
        }
        result[format!("response_of_{aliases}_texts_each")] = json!({
            "mib_before": before / MIB, "mib_at_most": most / MIB, "mib_held": resident_bytes(server.process_id()) / MIB,
            "others_median_ms_before": before_attack.as_secs_f64() * 1e3, "others_median_ms": median(latencies).as_secs_f64() * 1e3,
        });
        drop(connections);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    result
}

/// Connects with a small receive buffer.
async fn connect_narrow(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.connect(server.address().parse().expect("an address")).await.expect("a connection")
}

/// Opens distinct subscriptions in a room with ten messages a second, and measures sends in another room.
async fn distinct_subscriptions(server: &Server) -> Value {
    let client = server.client();
    let (crowded, quiet) = (client.create_room().await, client.create_room().await);
    let before = median_send(&client, &quiet).await;
    let memory = resident_bytes(server.process_id());
    let mut readers = Vec::new();
    for socket in 0..SUBSCRIPTIONS / 100 {
        let mut socket_of_100 = Socket::ready(server.address()).await;
        for n in 0..100 {
            let n = socket * 100 + n;
            let query = format!(
                "subscription($id:ID!,$code:String!){{messageEvents(roomId:$id,roomCode:$code){{__typename cursor at n{n}:\
                 message{{id index text createdAt editedAt deletedAt clientMessageId author{{id displayName}}}}}}}}"
            );
            socket_of_100.subscribe(&n.to_string(), &query, json!({ "id": crowded.id, "code": crowded.code })).await;
        }
        readers.push(tokio::spawn(async move { while socket_of_100.next_frame().await.is_some() {} }));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let viewers = client.query_room(&crowded, "viewerCount").await["viewerCount"].as_u64().unwrap_or_default();
    let memory = resident_bytes(server.process_id()).saturating_sub(memory);
    let sender = tokio::spawn({
        let mut ada = User::of(client.clone());
        async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            for _ in 0..MESSAGES * 2 {
                ticks.tick().await;
                ada.send(&crowded, "for many").await;
            }
        }
    });
    let mut latencies = Vec::new();
    let mut bob = User::of(client.clone());
    for _ in 0..MESSAGES {
        let sent = Instant::now();
        bob.send(&quiet, "meanwhile").await;
        latencies.push(sent.elapsed());
        tokio::time::sleep(INTERVAL).await;
    }
    sender.abort();
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    latencies.sort();
    let p95 = latencies[latencies.len() * 95 / 100];
    json!({
        "attack": "distinct subscriptions", "asked_for": SUBSCRIPTIONS, "open": viewers,
        "kib_each": memory / 1024 / viewers.max(1),
        "others_median_ms_before": before.as_secs_f64() * 1e3, "others_median_ms": median(latencies).as_secs_f64() * 1e3,
        "others_p95_ms": p95.as_secs_f64() * 1e3,
    })
}

async fn median_send(client: &Client, room: &RoomKey) -> Duration {
    let mut user = User::of(client.clone());
    let mut latencies = Vec::new();
    for _ in 0..21 {
        let sent = Instant::now();
        user.send(room, "before").await;
        latencies.push(sent.elapsed());
    }
    median(latencies)
}

fn median(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort();
    latencies[latencies.len() / 2]
}
