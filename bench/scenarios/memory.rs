//! What an idle subscribed socket costs in the server's memory, at 5,000 sockets in 100 rooms, beside the floor: once all are
//! subscribed, and once each has also been sent something.

use std::time::Duration;

use crate::contenders::Contender;
use crate::line::Line;
use crate::meter::{resident_kib, rounded};
use crate::subscription::{Own, subscribe};
use crate::support::client::User;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use serde_json::{Value, json};

const ROOMS: usize = 100;
const SOCKETS_A_ROOM: usize = 50;
/// Of a message of the floor.
const BYTES: usize = 393;

pub async fn run() -> Value {
    let (ours, floor) = (of_server().await, of_floor().await);
    json!({
        "sockets": ROOMS * SOCKETS_A_ROOM, "rooms": ROOMS, "unit": "KiB a socket",
        "ours": ours.to_json(), "floor": floor.to_json(), "ratio": rounded(ours.idle() / floor.idle(), 2),
    })
}

/// Resident memory of a server, in KiB.
struct Memory {
    before: f64,
    subscribed: f64,
    after_a_message: f64,
}

impl Memory {
    /// Of each socket.
    fn idle(&self) -> f64 {
        (self.subscribed - self.before) / (ROOMS * SOCKETS_A_ROOM) as f64
    }

    fn to_json(&self) -> Value {
        let told = (self.after_a_message - self.before) / (ROOMS * SOCKETS_A_ROOM) as f64;
        json!({
            "kib_before": self.before, "kib_a_socket": rounded(self.idle(), 1),
            "kib_a_socket_after_a_message": rounded(told, 1),
        })
    }
}

async fn of_server() -> Memory {
    let server = Server::embedded();
    let client = server.client();
    let mut user = User::of(client.clone());
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let room = client.create_room().await;
        user.send(&room, "the first one").await;
        rooms.push(room);
    }
    let before = settled(server.process_id()).await;
    let mut lines = Vec::new();
    for i in 0..ROOMS * SOCKETS_A_ROOM {
        let mut line = Line::open(server.address(), "/graphql").await;
        subscribe(&mut line, &rooms[i % ROOMS], Own::default()).await;
        lines.push(line);
    }
    for room in &rooms {
        client.viewers_become(room, SOCKETS_A_ROOM).await;
    }
    let subscribed = settled(server.process_id()).await;
    for room in &rooms {
        user.send(room, "one for everybody in it").await;
    }
    for line in &mut lines {
        assert!(line.hear().await.contains("one for everybody in it"));
    }
    Memory { before, subscribed, after_a_message: settled(server.process_id()).await }
}

async fn of_floor() -> Memory {
    let redis = RedisServer::start().await;
    let floor = Contender::floor(&redis);
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(floor.new_room().await);
    }
    let before = settled(floor.process_id()).await;
    let mut lines = Vec::new();
    for i in 0..ROOMS * SOCKETS_A_ROOM {
        lines.push(floor.follow(&rooms[i % ROOMS], Own::default()).await);
    }
    let subscribed = settled(floor.process_id()).await;
    for room in &rooms {
        floor.sender(room, BYTES).await.send(0).await;
    }
    for line in &mut lines {
        line.hear().await;
    }
    Memory { before, subscribed, after_a_message: settled(floor.process_id()).await }
}

/// The memory of a process that has had time to finish what it was doing.
async fn settled(process: u32) -> f64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    resident_kib(process)
}
