//! CPU time of reading the last 50 of 1,000 messages: 32 connections send requests back to back. Livechat on Redis, livechat on
//! its embedded store, and the floor take turns.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::floor::PAGE;
use crate::process_stats::{cpu_micros, median, rounded};
use crate::rounds::Rounds;
use crate::sender::floor_path;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const CONNECTIONS: usize = 32;
const MESSAGES: usize = 1_000;
/// Size of a message in livechat's response.
const BYTES: usize = 220;
const READS_EACH: usize = 100;
const ROUNDS: usize = 9;
/// No round starts after this time.
const TIME_LIMIT: Duration = Duration::from_secs(60);

const QUERY: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
    messages(last: 50) { nodes { id index text createdAt author { id displayName } } } } }";

/// The connections to one target, their request, and the cost of each round.
struct Side {
    target: Target,
    connections: Vec<Connection>,
    request: ReadRequest,
    micros: Vec<f64>,
    redis_micros: Vec<f64>,
    answer_bytes: usize,
}

enum ReadRequest {
    Post(String),
    Get(String),
}

impl ReadRequest {
    async fn send(&self, connection: &mut Connection) -> usize {
        let answer = match self {
            Self::Post(body) => connection.post("/graphql", body).await,
            Self::Get(path) => connection.get(path).await,
        };
        // The page has exactly PAGE messages.
        assert_eq!(answer.matches("\"text\":").count(), PAGE, "{answer}");
        answer.len()
    }
}

pub async fn run() -> Value {
    let redis = RedisServer::start().await;
    let mut sides = [
        Side::new(Target::on(&redis)).await,
        Side::new(Target::embedded()).await,
        Side::new(Target::floor(&redis)).await,
    ];
    let mut rounds = Rounds::new(ROUNDS, TIME_LIMIT);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            side.round(redis.process_id(), counts).await;
        }
    }
    let [on_redis, embedded, floor] = [0, 1, 2].map(|i| median(sides[i].micros.clone()));
    let redis_of = |i: usize| rounded(median(sides[i].redis_micros.clone()), 1);
    json!({
        "connections": CONNECTIONS, "messages": MESSAGES, "page": PAGE, "rounds": rounds.counted(),
        "reads_a_round": CONNECTIONS * READS_EACH,
        "unit": "server CPU microseconds a read",
        "redis": rounded(on_redis, 1), "embedded": rounded(embedded, 1), "floor": rounded(floor, 1),
        "ratio": rounded(on_redis / floor, 2), "embedded_to_redis": rounded(embedded / on_redis, 2),
        "cpu_us_of_redis": { "redis": redis_of(0), "floor": redis_of(2) },
        "answer_bytes": { "livechat": sides[0].answer_bytes, "floor": sides[2].answer_bytes },
    })
}

impl Side {
    async fn new(target: Target) -> Self {
        let room = target.new_room().await;
        let mut senders = join_all((0..8).map(|_| target.sender(&room, BYTES))).await;
        join_all(senders.iter_mut().map(async |sender| {
            for number in 0..MESSAGES / 8 {
                sender.send(number).await;
            }
        }))
        .await;
        let connections = join_all((0..CONNECTIONS).map(|_| target.connection())).await;
        let request = read_request(&target, &room);
        Self { target, connections, request, micros: vec![], redis_micros: vec![], answer_bytes: 0 }
    }

    async fn round(&mut self, redis: u32, counts: bool) {
        let before = (cpu_micros(self.target.process_id()), cpu_micros(redis));
        let request = &self.request;
        let bytes = join_all(self.connections.iter_mut().map(async |connection| {
            let mut bytes = 0;
            for _ in 0..READS_EACH {
                bytes = request.send(connection).await;
            }
            bytes
        }))
        .await;
        self.answer_bytes = bytes[0];
        if counts {
            let reads = (CONNECTIONS * READS_EACH) as f64;
            self.micros.push((cpu_micros(self.target.process_id()) - before.0) / reads);
            self.redis_micros.push((cpu_micros(redis) - before.1) / reads);
        }
    }
}

fn read_request(target: &Target, room: &RoomKey) -> ReadRequest {
    match target {
        Target::Livechat(..) => {
            let variables = json!({ "id": room.id, "code": room.code });
            ReadRequest::Post(json!({ "query": QUERY, "variables": variables }).to_string())
        }
        Target::Floor(_) => ReadRequest::Get(floor_path(room)),
    }
}
