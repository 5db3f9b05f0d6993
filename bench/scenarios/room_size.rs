//! CPU time of a send in a room of 10,000 messages, compared with a new room, on each store. Rounds alternate between the rooms.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process_stats::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::support::client::{RoomKey, User};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

const MESSAGES: usize = 10_000;
const SENDERS: usize = 32;
const SENDS_PER_ROUND: usize = 640;
const ROUNDS: usize = 12;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(25);

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    json!({
        "senders": SENDERS, "sends_a_round": SENDS_PER_ROUND, "messages_in_full_room": MESSAGES,
        "unit": "server CPU microseconds a send",
        "redis": measure(&Server::on_redis(&redis.url())).await, "embedded": measure(&Server::embedded()).await,
    })
}

async fn measure(server: &Server) -> Value {
    let client = server.client();
    let mut users: Vec<User> = (0..SENDERS).map(|_| User::of(client.clone())).collect();
    let full = client.create_room().await;
    users = send(users, &full, MESSAGES).await;
    let mut costs = [const { Vec::new() }; 2];
    let mut rounds = Rounds::new(ROUNDS, TIME_LIMIT);
    while let Some(counts) = rounds.next() {
        let new = client.create_room().await;
        for (room, costs) in [&full, &new].into_iter().zip(&mut costs) {
            let before = cpu_micros(server.process_id());
            users = send(users, room, SENDS_PER_ROUND).await;
            if counts {
                costs.push((cpu_micros(server.process_id()) - before) / SENDS_PER_ROUND as f64);
            }
        }
    }
    let [full, new] = costs.map(median);
    json!({ "full_room": rounded(full, 1), "new_room": rounded(new, 1), "ratio": rounded(full / new, 2) })
}

/// Sends `count` messages to `room`, from all users in parallel. Returns the users with their new tokens.
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
    let mut returned = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        returned.push(sender.await.expect("a sender that did not fail"));
    }
    returned
}
