//! Memory of an idle subscribed socket, with 5,000 sockets in 100 rooms, compared with the floor: after all have subscribed,
//! and after each has received a message.

use std::time::Duration;

use crate::process_stats::{resident_kib, rounded};
use crate::subscription::{SubscriptionOptions, subscribe};
use crate::support::client::User;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::target::Target;
use crate::websocket::WebSocketClient;
use serde_json::{Value, json};

const ROOMS: usize = 100;
const SOCKETS_PER_ROOM: usize = 50;
/// Size of a message on the floor.
const BYTES: usize = 393;

pub async fn run() -> Value {
    let (ours, floor) = (of_server().await, of_floor().await);
    json!({
        "sockets": ROOMS * SOCKETS_PER_ROOM, "rooms": ROOMS, "unit": "KiB a socket",
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
    /// KiB per socket.
    fn idle(&self) -> f64 {
        (self.subscribed - self.before) / (ROOMS * SOCKETS_PER_ROOM) as f64
    }

    fn to_json(&self) -> Value {
        let after = (self.after_a_message - self.before) / (ROOMS * SOCKETS_PER_ROOM) as f64;
        json!({
            "kib_before": self.before, "kib_a_socket": rounded(self.idle(), 1),
            "kib_a_socket_after_a_message": rounded(after, 1),
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
        user.send(&room, "first").await;
        rooms.push(room);
    }
    let before = settled(server.process_id()).await;
    let mut sockets = Vec::new();
    for i in 0..ROOMS * SOCKETS_PER_ROOM {
        let mut socket = WebSocketClient::open(server.address(), "/graphql").await;
        subscribe(&mut socket, &rooms[i % ROOMS], SubscriptionOptions::default()).await;
        sockets.push(socket);
    }
    for room in &rooms {
        client.wait_for_viewers(room, SOCKETS_PER_ROOM).await;
    }
    let subscribed = settled(server.process_id()).await;
    for room in &rooms {
        user.send(room, "for all readers").await;
    }
    for socket in &mut sockets {
        assert!(socket.next_text().await.contains("for all readers"));
    }
    Memory { before, subscribed, after_a_message: settled(server.process_id()).await }
}

async fn of_floor() -> Memory {
    let redis = RedisServer::start().await;
    let floor = Target::floor(&redis);
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(floor.new_room().await);
    }
    let before = settled(floor.process_id()).await;
    let mut sockets = Vec::new();
    for i in 0..ROOMS * SOCKETS_PER_ROOM {
        sockets.push(floor.follow(&rooms[i % ROOMS], SubscriptionOptions::default()).await);
    }
    let subscribed = settled(floor.process_id()).await;
    for room in &rooms {
        floor.sender(room, BYTES).await.send(0).await;
    }
    for socket in &mut sockets {
        socket.next_text().await;
    }
    Memory { before, subscribed, after_a_message: settled(floor.process_id()).await }
}

/// The memory of a process, after time to settle.
async fn settled(process: u32) -> f64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    resident_kib(process)
}
