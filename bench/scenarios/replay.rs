//! Cost of a reader that resumes 10,000 events behind: CPU time and elapsed time per event. Livechat on Redis, livechat on its
//! embedded store, and the floor, which sends the result of one `LRANGE`, take turns.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::delivery::frame_bytes;
use crate::process_stats::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const EVENTS: usize = 10_000;
const SENDERS: usize = 20;
const ROUNDS: usize = 7;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// A room with history, and the cost of each round.
struct Side {
    target: Target,
    room: RoomKey,
    start: Option<String>,
    cpu_micros: Vec<f64>,
    micros: Vec<f64>,
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
    let time = |i: usize| rounded(median(sides[i].micros.clone()), 1);
    json!({
        "events": EVENTS, "rounds": rounds.counted(), "frame_bytes": frame_bytes, "unit": "server CPU microseconds an event",
        "redis": rounded(on_redis, 2), "embedded": rounded(embedded, 2), "floor": rounded(floor, 2),
        "ratio": rounded(on_redis / floor, 2),
        "time_us_per_event": { "redis": time(0), "embedded": time(1), "floor": time(2) },
    })
}

impl Side {
    async fn new(target: Target, bytes: usize) -> Self {
        let room = target.new_room().await;
        let start = target.cursor(&room).await;
        let mut senders = join_all((0..SENDERS).map(|_| target.sender(&room, bytes))).await;
        join_all(senders.iter_mut().map(async |sender| {
            for number in 0..EVENTS / SENDERS {
                sender.send(number).await;
            }
        }))
        .await;
        Self { target, room, start, cpu_micros: vec![], micros: vec![] }
    }

    async fn round(&mut self, counts: bool) {
        let (before, start) = (cpu_micros(self.target.process_id()), Instant::now());
        let mut socket = self.target.resume(&self.room, self.start.clone(), EVENTS).await;
        let mut received = 0;
        while received < EVENTS {
            socket.read_texts(EVENTS - received, |_| received += 1).await;
        }
        let took = start.elapsed();
        if counts {
            self.cpu_micros.push((cpu_micros(self.target.process_id()) - before) / EVENTS as f64);
            self.micros.push(took.as_secs_f64() * 1e6 / EVENTS as f64);
        }
        drop(socket);
        self.target.wait_for_followers(&self.room, 0).await;
    }
}
