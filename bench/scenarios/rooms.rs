//! 10,000 rooms of two who both chat: server CPU time a delivery, and memory a socket, beside the floor.
//!
//! As in `delivery`, messages are sent through one process and delivered by another, which is the one that is measured. In a
//! round each room gets one message, from its two in turn, and the run fails if it does not reach both.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::contenders::Contender;
use crate::delivery::frame_bytes;
use crate::meter::{cpu_micros, median, resident_kib, rounded};
use crate::readers::Readers;
use crate::rounds::Rounds;
use crate::sender::Voice;
use crate::subscription::Own;
use crate::support::redis_server::RedisServer;

/// Or as many as this process may have sockets for.
const ROOMS: usize = 10_000;
/// Files that are no socket of a reader.
const OTHER_FILES: u64 = 200;
/// Who chat in a room, each with a socket.
const PAIR: usize = 2;
/// Over which all send.
const CONNECTIONS: usize = 32;
/// Rooms that are made and sockets that are opened at a time.
const AT_A_TIME: usize = 32;
const ROUNDS: usize = 4;
/// After so long no other round begins.
const ENOUGH: Duration = Duration::from_secs(20);

struct Room {
    voices: [Voice; PAIR],
    readers: Readers,
    sent: usize,
}

/// All rooms of a side, the process that delivers, and what its rounds have cost.
struct Side {
    readers: Contender,
    _senders: Contender,
    rooms: Vec<Room>,
    connections: Vec<Connection>,
    kib_a_socket: f64,
    micros: Vec<f64>,
}

/// What a side has cost.
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

/// One side after the other, gone before the next begins: both together would need more sockets than most machines give a
/// process.
pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let ours = Side::measured(Contender::on(&redis), Contender::on(&redis), 0).await;
    let floor = Side::measured(Contender::floor(&redis), Contender::floor(&redis), frame_bytes).await;
    json!({
        "rooms": ours.rooms, "sockets": ours.rooms * PAIR, "frame_bytes": frame_bytes,
        "rounds": [ours.rounds, floor.rounds], "deliveries_a_round": ours.rooms * PAIR,
        "unit": "server CPU microseconds a delivery",
        "ours": ours.to_json(), "floor": floor.to_json(), "ratio": rounded(ours.cpu_us / floor.cpu_us, 2),
    })
}

impl Side {
    async fn measured(readers: Contender, senders: Contender, bytes: usize) -> Measured {
        let mut side = Self::new(readers, senders, bytes).await;
        let mut rounds = Rounds::new(ROUNDS, ENOUGH);
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

    async fn new(readers: Contender, senders: Contender, bytes: usize) -> Self {
        let files = rlimit::Resource::NOFILE.get_soft().expect("a limit");
        let count = ROOMS.min((files.saturating_sub(OTHER_FILES) as usize) / PAIR);
        let before = resident_kib(readers.process_id());
        let opened = stream::iter(0..count).map(async |_| {
            let room = senders.new_room().await;
            let mut lines = Vec::with_capacity(PAIR);
            for _ in 0..PAIR {
                lines.push((readers.follow(&room, Own::default()).await, 0));
            }
            readers.followers_become(&room, PAIR).await;
            let voices = [(); PAIR].map(|()| senders.voice(&room, bytes));
            Room { voices, readers: Readers::on(lines), sent: 0 }
        });
        let rooms: Vec<_> = opened.buffer_unordered(AT_A_TIME).collect().await;
        let kib_a_socket = (resident_kib(readers.process_id()) - before) / (count * PAIR) as f64;
        let connections = join_all((0..CONNECTIONS).map(|_| senders.connection())).await;
        Self { readers, _senders: senders, rooms, connections, kib_a_socket, micros: vec![] }
    }

    /// What the process that delivers has spent, in microseconds.
    async fn round(&mut self) -> f64 {
        let before = cpu_micros(self.readers.process_id());
        let share = self.rooms.len().div_ceil(CONNECTIONS);
        join_all(self.connections.iter_mut().zip(self.rooms.chunks_mut(share)).map(async |(connection, rooms)| {
            for room in rooms {
                room.voices[room.sent % PAIR].say(connection, room.sent).await;
                room.sent += 1;
            }
        }))
        .await;
        for room in &self.rooms {
            room.readers.tally.complete(room.sent).await;
            room.readers.tally.take_arrivals();
        }
        cpu_micros(self.readers.process_id()) - before
    }
}
