//! A storm: 5,000 sockets come back at once, each with the cursor of 20 messages ago. How long until all have caught up,
//! what each costs in server CPU time, and how many had an error, of which there may be none. Our server on Redis, on its
//! embedded store, and the floor, which looks up the last 20, take turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::contenders::Contender;
use crate::delivery::frame_bytes;
use crate::meter::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;

const SOCKETS: usize = 5_000;
const ROOMS: usize = 50;
const MISSED: usize = 20;
/// Connections that wait to be accepted, as many as a kernel holds with ease. More would wait for it, not for the server.
const KNOCKING: usize = 500;
const ROUNDS: usize = 3;
/// After so long no other round begins.
const ENOUGH: Duration = Duration::from_secs(50);

/// Rooms to come back to, and what the rounds have cost.
struct Side {
    contender: Arc<Contender>,
    /// With where each stood before what was missed.
    rooms: Vec<(RoomKey, Option<String>)>,
    cpu_micros: Vec<f64>,
    seconds: Vec<f64>,
    errors: usize,
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let frame_bytes = frame_bytes(&redis).await;
    let mut sides = [
        Side::new(Contender::on(&redis), 0).await,
        Side::new(Contender::embedded(), 0).await,
        Side::new(Contender::floor(&redis), frame_bytes).await,
    ];
    let mut rounds = Rounds::new(ROUNDS, ENOUGH);
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
    async fn new(contender: Contender, bytes: usize) -> Self {
        let mut rooms = Vec::new();
        for _ in 0..ROOMS {
            let room = contender.new_room().await;
            let cursor = contender.cursor(&room).await;
            let mut sender = contender.sender(&room, bytes).await;
            for number in 0..MISSED {
                sender.send(number).await;
            }
            rooms.push((room, cursor));
        }
        Self { contender: Arc::new(contender), rooms, cpu_micros: vec![], seconds: vec![], errors: 0 }
    }

    async fn round(&mut self, counts: bool) {
        let (before, start) = (cpu_micros(self.contender.process_id()), Instant::now());
        let door = Arc::new(Semaphore::new(KNOCKING));
        let mut sockets = JoinSet::new();
        for i in 0..SOCKETS {
            let (contender, door) = (Arc::clone(&self.contender), Arc::clone(&door));
            let (room, cursor) = self.rooms[i % ROOMS].clone();
            sockets.spawn(async move {
                let knocking = door.acquire().await.expect("an open door");
                let mut line = contender.resume(&room, cursor, MISSED).await;
                drop(knocking);
                for _ in 0..MISSED {
                    line.hear().await;
                }
                line
            });
        }
        // All stay until the last has caught up.
        let mut lines = Vec::with_capacity(SOCKETS);
        while let Some(socket) = sockets.join_next().await {
            match socket {
                Ok(line) => lines.push(line),
                Err(_) => self.errors += 1,
            }
        }
        if counts {
            self.seconds.push(start.elapsed().as_secs_f64());
            self.cpu_micros.push((cpu_micros(self.contender.process_id()) - before) / SOCKETS as f64);
        }
        drop(lines);
        for (room, _) in &self.rooms {
            self.contender.followers_become(room, 0).await;
        }
    }
}
