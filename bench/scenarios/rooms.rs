//! 10,000 rooms with two active users each: CPU time per delivery and memory per socket, compared with the floor.
//!
//! As in `delivery`, one process takes the sends and another, which is measured, delivers. In each round every room gets one
//! message, from its users in turn, and the run fails if it does not reach both.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::delivery::frame_bytes;
use crate::process_stats::{cpu_micros, median, resident_kib, rounded};
use crate::readers::Readers;
use crate::rounds::Rounds;
use crate::sender::Author;
use crate::subscription::SubscriptionOptions;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

/// Fewer if the limit of open files does not allow so many sockets.
const ROOMS: usize = 10_000;
/// Files other than the readers' sockets.
const OTHER_FILES: u64 = 200;
/// Users of a room, each with a socket.
const PAIR: usize = 2;
/// Connections for all sends.
const CONNECTIONS: usize = 32;
/// Rooms that are opened concurrently.
const CONCURRENCY: usize = 32;
const ROUNDS: usize = 4;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(20);

struct Room {
    authors: [Author; PAIR],
    readers: Readers,
    sent: usize,
}

/// The rooms of one side, the process that delivers, and the cost of each round.
struct Side {
    readers: Target,
    _senders: Target,
    rooms: Vec<Room>,
    connections: Vec<Connection>,
    kib_a_socket: f64,
    micros: Vec<f64>,
}

/// The cost of one side.
struct Measured {
    rooms: usize,
    rounds: usize,
    kib_a_socket: f64,
    cpu_us: f64,
}

impl Measured {
    fn to_json(&self) -> Value {
        json!({ "cpu_us": rounded(self.cpu_us, 2), "kib_a_socket": rounded(self.kib_a_socket, 1) })
    }
}

/// Runs the sides one after the other: together they would need more sockets than most machines allow a process.
pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let ours = Side::measured(Target::on(&redis), Target::on(&redis), 0).await;
    let floor = Side::measured(Target::floor(&redis), Target::floor(&redis), frame_bytes).await;
    json!({
        "rooms": ours.rooms, "sockets": ours.rooms * PAIR, "frame_bytes": frame_bytes,
        "rounds": [ours.rounds, floor.rounds], "deliveries_a_round": ours.rooms * PAIR,
        "unit": "server CPU microseconds a delivery",
        "ours": ours.to_json(), "floor": floor.to_json(), "ratio": rounded(ours.cpu_us / floor.cpu_us, 2),
    })
}

impl Side {
    async fn measured(readers: Target, senders: Target, bytes: usize) -> Measured {
        let mut side = Self::new(readers, senders, bytes).await;
        let mut rounds = Rounds::new(ROUNDS, TIME_LIMIT);
        while let Some(counts) = rounds.next() {
            let spent = side.round().await;
            if counts {
                side.micros.push(spent / (side.rooms.len() * PAIR) as f64);
            }
        }
        let Self { rooms, kib_a_socket, micros, .. } = &side;
        Measured {
            rooms: rooms.len(),
            rounds: micros.len(),
            kib_a_socket: *kib_a_socket,
            cpu_us: median(micros.clone()),
        }
    }

    async fn new(readers: Target, senders: Target, bytes: usize) -> Self {
        let files = rlimit::Resource::NOFILE.get_soft().expect("a limit");
        let count = ROOMS.min((files.saturating_sub(OTHER_FILES) as usize) / PAIR);
        let before = resident_kib(readers.process_id());
        let opened = stream::iter(0..count).map(async |_| {
            let room = senders.new_room().await;
            let mut sockets = Vec::with_capacity(PAIR);
            for _ in 0..PAIR {
                sockets.push((readers.follow(&room, SubscriptionOptions::default()).await, 0));
            }
            readers.wait_for_followers(&room, PAIR).await;
            let authors = [(); PAIR].map(|()| senders.author(&room, bytes));
            Room { authors, readers: Readers::on(sockets), sent: 0 }
        });
        let rooms: Vec<_> = opened.buffer_unordered(CONCURRENCY).collect().await;
        let kib_a_socket = (resident_kib(readers.process_id()) - before) / (count * PAIR) as f64;
        let connections = join_all((0..CONNECTIONS).map(|_| senders.connection())).await;
        Self { readers, _senders: senders, rooms, connections, kib_a_socket, micros: vec![] }
    }

    /// Runs a round. Returns the CPU time of the delivering process, in microseconds.
    async fn round(&mut self) -> f64 {
        let before = cpu_micros(self.readers.process_id());
        let share = self.rooms.len().div_ceil(CONNECTIONS);
        join_all(self.connections.iter_mut().zip(self.rooms.chunks_mut(share)).map(async |(connection, rooms)| {
            for room in rooms {
                room.authors[room.sent % PAIR].send(connection, room.sent).await;
                room.sent += 1;
            }
        }))
        .await;
        for room in &self.rooms {
            room.readers.tally.wait_for_complete(room.sent).await;
            room.readers.tally.take_arrivals();
        }
        cpu_micros(self.readers.process_id()) - before
    }
}
