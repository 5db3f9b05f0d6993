//! What a send costs in a room of 10,000 messages, against a new room, in server CPU time. Run by hand:
//!
//! ```sh
//! cargo bench --bench room_size
//! ```
//!
//! For each store, rounds of sends to the full room and to a new room take turns, so that both meet the same machine.
//! One line of JSON a store.

#[allow(dead_code)]
mod meter;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::Instant;

use meter::{cpu_micros, rounded};
use serde_json::json;
use support::client::{RoomKey, User};
use support::redis_server::RedisServer;
use support::server::Server;

const MESSAGES: usize = 10_000;
const SENDERS: usize = 32;
const SENDS_A_ROUND: usize = 640;
const ROUNDS: usize = 12;

#[tokio::main]
async fn main() {
    let redis = RedisServer::start().await;
    measure("embedded", &Server::embedded()).await;
    measure("redis", &Server::on_redis(&redis.url())).await;
}

async fn measure(store: &str, server: &Server) {
    let client = server.client();
    let mut users: Vec<User> = (0..SENDERS).map(|_| User::of(client.clone())).collect();
    let full = client.create_room().await;
    users = send(users, &full, MESSAGES).await;
    // Warm: both kinds of rounds have run once before any is counted.
    let mut cost = [0.0_f64; 2];
    let start = Instant::now();
    for round in 0..=ROUNDS {
        let new = client.create_room().await;
        for (room, cost) in [&full, &new].into_iter().zip(&mut cost) {
            let before = cpu_micros(server.process_id());
            users = send(users, room, SENDS_A_ROUND).await;
            if round > 0 {
                *cost += cpu_micros(server.process_id()) - before;
            }
        }
    }
    let [full, new] = cost.map(|cost| cost / (ROUNDS * SENDS_A_ROUND) as f64);
    let line = json!({
        "bench": "room_size", "store": store, "senders": SENDERS, "sends_each": ROUNDS * SENDS_A_ROUND,
        "messages_in_full_room": MESSAGES, "full_room_cpu_us_per_send": rounded(full, 1),
        "new_room_cpu_us_per_send": rounded(new, 1), "ratio": rounded(full / new, 2),
        "wall_s": rounded(start.elapsed().as_secs_f64(), 1),
    });
    println!("{line}");
}

/// Sends `count` messages to `room`, as many at a time as there are users; gives the users back with their tokens.
async fn send(users: Vec<User>, room: &RoomKey, count: usize) -> Vec<User> {
    let each = count / users.len();
    let senders = users.into_iter().map(|mut user| {
        let room = room.clone();
        tokio::spawn(async move {
            for i in 0..each {
                user.send(&room, &format!("message {i} of somebody who says some forty characters")).await;
            }
            user
        })
    });
    let mut back = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        back.push(sender.await.expect("a sender that ends well"));
    }
    back
}
