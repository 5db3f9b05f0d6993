//! A reconnect storm: 5,000 sockets resume at once, each with a cursor from 20 messages ago. Measures the time until all have
//! caught up, the CPU time per socket, and errors. Livechat on Redis, livechat on its embedded store, and the floor, which reads
//! the last 20, take turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::delivery::frame_bytes;
use crate::process_stats::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const SOCKETS: usize = 5_000;
const ROOMS: usize = 50;
const MISSED: usize = 20;
/// Concurrent connection attempts. More would wait for the kernel's accept queue, not for the server.
const CONCURRENT_CONNECTS: usize = 500;
const ROUNDS: usize = 3;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(50);

/// The rooms to resume, and the cost of each round.
struct Side {
    target: Arc<Target>,
    /// Each with the cursor before the missed messages.
    rooms: Vec<(RoomKey, Option<String>)>,
    cpu_micros: Vec<f64>,
    seconds: Vec<f64>,
    errors: usize,
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let mut sides = [
        Side::new(Target::on(&redis), 0).await,
        Side::new(Target::embedded(), 0).await,
        Side::new(Target::floor(&redis), frame_bytes).await,
    ];
    let mut rounds = Rounds::new(ROUNDS, TIME_LIMIT);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            side.round(counts).await;
        }
    }
    let [on_redis, embedded, floor] = sides.each_ref().map(|side| median(side.cpu_micros.clone()));
    let seconds = |i: usize| rounded(median(sides[i].seconds.clone()), 2);
    json!({
        "sockets": SOCKETS, "rooms": ROOMS, "missed": MISSED, "rounds": rounds.counted(),
        "unit": "server CPU microseconds a socket",
        "redis": rounded(on_redis, 1), "embedded": rounded(embedded, 1), "floor": rounded(floor, 1),
        "ratio": rounded(on_redis / floor, 2),
        "caught_up_s": { "redis": seconds(0), "embedded": seconds(1), "floor": seconds(2) },
        "errors": sides.iter().map(|side| side.errors).sum::<usize>(),
    })
}

impl Side {
    async fn new(target: Target, bytes: usize) -> Self {
        let mut rooms = Vec::new();
        for _ in 0..ROOMS {
            let room = target.new_room().await;
            let cursor = target.cursor(&room).await;
            let mut sender = target.sender(&room, bytes).await;
            for number in 0..MISSED {
                sender.send(number).await;
            }
            rooms.push((room, cursor));
        }
        Self { target: Arc::new(target), rooms, cpu_micros: vec![], seconds: vec![], errors: 0 }
    }

    async fn round(&mut self, counts: bool) {
        let (before, start) = (cpu_micros(self.target.process_id()), Instant::now());
        let connects = Arc::new(Semaphore::new(CONCURRENT_CONNECTS));
        let mut tasks = JoinSet::new();
        for i in 0..SOCKETS {
            let (target, connects) = (Arc::clone(&self.target), Arc::clone(&connects));
            let (room, cursor) = self.rooms[i % ROOMS].clone();
            tasks.spawn(async move {
                let permit = connects.acquire().await.expect("an open semaphore");
                let mut socket = target.resume(&room, cursor, MISSED).await;
                drop(permit);
                for _ in 0..MISSED {
                    socket.next_text().await;
                }
                socket
            });
        }
        // All sockets stay open until the last has caught up.
        let mut sockets = Vec::with_capacity(SOCKETS);
        while let Some(result) = tasks.join_next().await {
            match result {
                Ok(socket) => sockets.push(socket),
                Err(_) => self.errors += 1,
            }
        }
        if counts {
            self.seconds.push(start.elapsed().as_secs_f64());
            self.cpu_micros.push((cpu_micros(self.target.process_id()) - before) / SOCKETS as f64);
        }
        drop(sockets);
        for (room, _) in &self.rooms {
            self.target.wait_for_followers(room, 0).await;
        }
    }
}
