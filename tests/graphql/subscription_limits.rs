//! Limits on subscriptions, and the effect of many distinct ones on other clients.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{Stream, post};
use crate::support::{eventually, http_client};

/// A subscription that is distinct for each number.
fn distinct(n: usize) -> String {
    format!(
        "subscription($id: ID!, $code: String!) {{ messageEvents(roomId: $id, roomCode: $code) {{
            __typename cursor at n{n}: message {{ id index text createdAt editedAt deletedAt clientMessageId
                author {{ id displayName }} }} }} }}"
    )
}

fn key(room: &RoomKey) -> Value {
    json!({ "id": room.id, "code": room.code })
}

/// The code with which a stream is refused.
async fn refusal_over(client: &Client, accept: &str, query: &str, variables: Value) -> String {
    let mut stream = Stream::open(post(client.url(), accept, query, variables)).await;
    let body = match accept.starts_with("text") {
        true => {
            stream.until("data: ").await.expect("an event");
            stream.until("\n").await.expect("an event")
        }
        false => stream.rest().await,
    };
    error_code(&serde_json::from_str(&body).expect("JSON"))
}

const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

#[tokio::test]
async fn the_limit_of_subscriptions_per_client_covers_all_transports() {
    let server = Server::with(&[("MAX_SUBSCRIPTIONS_PER_CLIENT", "2"), ("MAX_SUBSCRIPTIONS", "3")]);
    let client = server.client();
    let room = client.create_room().await;
    let query = events_of(&room);
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("1", &client, &room).await;
    let stream = Stream::open(post(client.url(), "text/event-stream", &query, json!({}))).await;
    client.wait_for_viewers(&room, 2).await;
    socket.subscribe("2", &query, json!({})).await;
    assert_eq!(socket.refusal("2").await, "TOO_MANY_SUBSCRIPTIONS");
    for accept in ["text/event-stream", MULTIPART] {
        assert_eq!(refusal_over(&client, accept, &query, json!({})).await, "TOO_MANY_SUBSCRIPTIONS", "{accept}");
    }
    // Other clients have their own share, up to the total.
    let from = |last| {
        let address = IpAddr::from([127, 0, 0, last]);
        let http = http_client().local_address(address).build().expect("a client");
        http.post(client.url()).header("accept", "text/event-stream").json(&json!({ "query": query }))
    };
    let _third = Stream::open(from(8)).await;
    client.wait_for_viewers(&room, 3).await;
    let mut fourth = Stream::open(from(9)).await;
    fourth.until("data: ").await.expect("an event");
    assert!(fourth.until("\n").await.expect("an event").contains("OVERLOADED"));
    drop(stream);
    client.wait_for_viewers(&room, 2).await;
    socket.follow("2", &client, &room).await;
}

#[tokio::test]
async fn distinct_subscriptions_of_a_client_are_limited_and_identical_ones_count_once() {
    let server = Server::with(&[("MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT", "2")]);
    let client = server.client();
    let (room, other_room) = (client.create_room().await, client.create_room().await);
    let mut sockets = vec![Socket::ready(server.address()).await, Socket::ready(server.address()).await];
    for (n, socket) in sockets.iter_mut().enumerate() {
        for id in 0..10 {
            // Rooms and cursors that are sent as variables make no difference.
            let room = if id % 2 == 0 { &room } else { &other_room };
            socket.subscribe(&id.to_string(), &distinct(n), key(room)).await;
        }
    }
    client.wait_for_viewers(&room, 10).await;
    client.wait_for_viewers(&other_room, 10).await;
    sockets[0].subscribe("more", &distinct(3), key(&room)).await;
    assert_eq!(sockets[0].refusal("more").await, "TOO_MANY_SUBSCRIPTIONS");
    for accept in ["text/event-stream", MULTIPART] {
        assert_eq!(refusal_over(&client, accept, &distinct(3), key(&room)).await, "TOO_MANY_SUBSCRIPTIONS", "{accept}");
    }
    sockets.pop();
    client.wait_for_viewers(&room, 5).await;
    // A long document counts as several.
    let long = distinct(4).replace("at n4", &format!("{} at n4", "at ".repeat(128)));
    sockets[0].subscribe("long", &long, key(&room)).await;
    assert_eq!(sockets[0].refusal("long").await, "TOO_MANY_SUBSCRIPTIONS");
    sockets[0].subscribe("more", &distinct(3), key(&room)).await;
    client.wait_for_viewers(&room, 6).await;
}

#[tokio::test]
async fn many_distinct_subscriptions_of_one_room_do_not_delay_others() {
    const DISTINCT: usize = 200;
    let server = Server::embedded();
    let client = server.client();
    let (crowded, quiet) = (client.create_room().await, client.create_room().await);
    let mut sockets = Vec::new();
    for n in 0..DISTINCT {
        if n % 50 == 0 {
            client.wait_for_viewers(&crowded, n).await;
            sockets.push(Socket::ready(server.address()).await);
        }
        let socket = sockets.last_mut().expect("a socket");
        // The schema renders a document with a directive, which takes longest.
        let query = distinct(n).replace("cursor", "cursor @include(if: true)");
        socket.subscribe(&n.to_string(), &query, key(&crowded)).await;
    }
    // Wait until opening them is done, which is not measured.
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.wait_for_viewers(&crowded, DISTINCT).await;
    let (mut ada, mut bob) = (User::of(client.clone()), User::of(client.clone()));
    ada.send(&quiet, "before").await;
    let mut follower = Socket::ready(server.address()).await;
    follower.follow("quiet", &client, &quiet).await;
    let begun = Instant::now();
    let delivered = tokio::spawn(async move {
        // Several messages, so that a busy machine has time to serve the others meanwhile.
        for _ in 0..5 {
            bob.send(&crowded, "for many").await;
            for socket in &mut sockets {
                for _ in 0..50 {
                    socket.receive().await;
                }
            }
        }
        begun.elapsed()
    });
    // Meanwhile, sends and deliveries in another room are not delayed.
    let mut latencies = Vec::new();
    while !delivered.is_finished() {
        let sent = Instant::now();
        ada.send(&quiet, "meanwhile").await;
        assert_eq!(follower.next_text("quiet").await, "meanwhile");
        latencies.push(sent.elapsed());
    }
    let all = delivered.await.expect("all deliveries");
    latencies.sort();
    let median = latencies[latencies.len() / 2];
    assert!(latencies.len() >= 5, "others were served {} times in {all:?}", latencies.len());
    assert!(median < all / 20, "others waited {median:?} while {DISTINCT} were rendered five times in {all:?}");
}

/// A text of 16 kB.
fn long_text() -> String {
    "\u{1f980}".repeat(4_000)
}

#[tokio::test]
async fn a_socket_that_stops_reading_holds_no_permits_of_its_operations() {
    let unsent = ["UNSENT_MAX_BYTES", "UNSENT_MAX_BYTES_PER_CLIENT"].map(|name| (name, "1000000000"));
    let server = Server::with(&[&unsent[..], &[("WRITE_TIMEOUT", "5m"), ("MAX_OPERATIONS", "16")]].concat());
    let client = server.client();
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    for _ in 0..100 {
        ada.send(&room, &long_text()).await;
    }
    // Each response has 5 MB, more than the buffers of an unread connection hold.
    let page = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
        messages(last: 100) { nodes { a: text b: text c: text } } } }";
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut socket = Socket::ready(server.address()).await;
        for n in 0..8 {
            socket.subscribe(&n.to_string(), page, key(&room)).await;
        }
        stalled.push(socket);
    }
    // They have begun when their permits are all in use. Then they wait for the sockets.
    tokio::time::sleep(Duration::from_secs(4)).await;
    // On other connections, the same client still has its whole share.
    eventually("eight operations at once succeed", async || {
        let answers = join_all((0..8).map(|_| client.request(page, key(&room)))).await;
        answers.iter().all(|answer| answer["data"]["room"]["messages"]["nodes"].as_array().map(Vec::len) == Some(100))
    })
    .await;
}
