//! Sends on a Redis Cluster. Run by hand:
//!
//! ```sh
//! cargo bench --bench cluster -- kills 3000000 30s
//! cargo bench --bench cluster -- shards 60000
//! ```
//!
//! `kills [messages] [interval]`: sends messages on three shards through two servers, while a primary is killed at each interval
//! and comes back as a replica. Each room is filled, read live on both servers, and then compared with its log and the
//! acknowledged messages. Fails if a message is missing that no failover lost, comes twice, or is out of order.
//!
//! `shards [sends]`: CPU time of sends on the busiest shard, with one, two and three shards in turn.

mod filler;
mod pipelined_client;
#[allow(dead_code)]
#[path = "../scenarios/process_stats.rs"]
mod process_stats;
#[allow(dead_code)]
#[path = "../scenarios/readers.rs"]
mod readers;
mod room_check;
#[allow(dead_code)]
#[path = "../scenarios/subscription.rs"]
mod subscription;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;
#[allow(dead_code)]
#[path = "../scenarios/websocket.rs"]
mod websocket;

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use filler::{Filler, Outcome, extract};
use futures_util::future::join_all;
use pipelined_client::PipelinedClient;
use process_stats::{cpu_micros, median, resident_kib, rounded};
use room_check::{Received, Totals, read};
use serde_json::json;
use support::client::RoomKey;
use support::redis_cluster::{RedisCluster, SLOTS, slot_of};
use support::server::Server;
use tokio::sync::{Mutex, RwLock};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SHARDS: usize = 3;
/// Rooms that are filled concurrently.
const WORKERS: usize = 48;
/// Messages of a room, half of them through each server.
const MESSAGES_PER_ROOM: usize = 1_000;
/// Users who share a connection.
const USERS: usize = 8;
/// Rooms expire soon after they were checked, so that Redis never holds all messages.
const ROOM_TTL: &str = "4m";
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let number = |default| words.get(1).map_or(default, |word| word.parse().expect("a number"));
    match words.first().map(String::as_str) {
        Some("kills") => {
            let every = words.get(2).map_or("30s", |word| word);
            kills(number(3_000_000), humantime::parse_duration(every).expect("a time like 30s")).await
        }
        Some("shards") => {
            shards(number(60_000)).await;
            ExitCode::SUCCESS
        }
        _ => panic!("kills [messages] [every], or shards [sends]"),
    }
}

/// The state that the workers share.
struct Load {
    addresses: Vec<String>,
    /// Rooms still to be filled.
    left: AtomicUsize,
    accepted: AtomicUsize,
    refused_tokens: AtomicUsize,
    /// The times of the failovers. Locked for writing during one, and for reading while a room is created or checked.
    failovers: RwLock<Vec<RangeInclusive<Instant>>>,
    totals: Mutex<Totals>,
}

async fn kills(messages: usize, every: Duration) -> ExitCode {
    let mut cluster = RedisCluster::start().await;
    let url = cluster.url();
    let servers = [0, 1].map(|_| Server::with(&[("REDIS_URL", &url), ("ROOM_TTL", ROOM_TTL)]));
    let load = Arc::new(Load {
        addresses: servers.iter().map(|server| server.address().to_owned()).collect(),
        left: messages.div_ceil(MESSAGES_PER_ROOM).into(),
        accepted: AtomicUsize::default(),
        refused_tokens: AtomicUsize::default(),
        failovers: RwLock::default(),
        totals: Mutex::default(),
    });
    let (start, done) = (Instant::now(), CancellationToken::new());
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(Arc::clone(&load)))).collect();
    let progress = tokio::spawn(print_progress(Arc::clone(&load), done.clone()));
    let end = done.clone();
    let killer = async {
        let mut kills = Kills::default();
        for shard in (0..SHARDS).cycle() {
            if timeout(every, end.cancelled()).await.is_ok() {
                break;
            }
            kills.kill(&mut cluster, &load, shard).await;
        }
        kills
    };
    let filling = async {
        for worker in workers {
            worker.await.expect("a worker that did not fail");
        }
        let elapsed = start.elapsed();
        done.cancel();
        elapsed
    };
    let (kills, elapsed) = tokio::join!(killer, filling);
    progress.await.expect("no panic");
    let totals = load.totals.lock().await;
    let per_message = |micros: f64| rounded(micros / totals.accepted as f64, 1);
    let server_cpu = servers.iter().map(|server| cpu_micros(server.process_id())).sum();
    let redis_cpu = kills.cpu_micros + cpu_by_node(&cluster).iter().sum::<f64>();
    let line = json!({
        "bench": "cluster", "scenario": "kills", "shards": SHARDS, "servers": servers.len(), "rooms": totals.rooms,
        "messages": totals.accepted, "readers_of_a_room": servers.len() + 1, "kills": kills.count,
        "longest_failover_ms": kills.longest.as_millis(), "seconds": elapsed.as_secs(),
        "messages_per_second": rounded(totals.accepted as f64 / elapsed.as_secs_f64(), 0),
        "server_cpu_us_per_message": per_message(server_cpu), "redis_cpu_us_per_message": per_message(redis_cpu),
        "load_cpu_us_per_message": per_message(cpu_micros(std::process::id())),
        "lost_by_redis": totals.lost_by_redis, "missing": totals.missing, "gaps": totals.gaps, "repeats": totals.repeats,
        "out_of_order": totals.out_of_order, "read_anew": totals.read_anew, "refused_for_nothing": totals.refused_for_nothing,
        "refused_tokens": load.refused_tokens.load(Ordering::Relaxed), "fine": totals.is_ok(),
    });
    println!("{line}");
    if totals.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The primaries that were killed.
#[derive(Default)]
struct Kills {
    count: usize,
    /// The longest time until there was a new primary.
    longest: Duration,
    /// The CPU time they had used.
    cpu_micros: f64,
}

impl Kills {
    /// Kills the primary of a shard, and restarts it once a replica has taken over.
    async fn kill(&mut self, cluster: &mut RedisCluster, load: &Load, shard: usize) {
        let slot = (usize::from(SLOTS) * shard / SHARDS) as u16;
        let mut failovers = load.failovers.write().await;
        let primary = cluster.owner(slot).await.expect("a primary");
        self.cpu_micros += cpu_micros(cluster.node(primary).process_id());
        let copied = cluster.wait_for_replicas(primary).await;
        let fault = Instant::now();
        cluster.kill(primary);
        cluster.wait_for_new_primary(slot, primary).await;
        self.longest = self.longest.max(fault.elapsed());
        self.count += 1;
        failovers.push(copied..=Instant::now());
        drop(failovers);
        cluster.restart(primary).await;
        cluster.wait_until_settled().await;
    }
}

/// The CPU time of each node, in microseconds.
fn cpu_by_node(cluster: &RedisCluster) -> Vec<f64> {
    cluster.running().map(|number| cpu_micros(cluster.node(number).process_id())).collect()
}

/// Prints the progress every 30 seconds.
async fn print_progress(load: Arc<Load>, done: CancellationToken) {
    let own = std::process::id();
    while timeout(Duration::from_secs(30), done.cancelled()).await.is_err() {
        let totals = load.totals.lock().await;
        let accepted = load.accepted.load(Ordering::Relaxed);
        eprintln!("{accepted} accepted; this process uses {} MiB; {totals:?}", resident_kib(own) as u64 / 1_024);
    }
}

/// Fills and checks one room after the other.
async fn work(load: Arc<Load>) {
    while load.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let failovers = load.failovers.read().await;
        let (room, start) = create_room(&load.addresses[0]).await;
        drop(failovers);
        let readers =
            load.addresses.iter().map(|address| read(address.clone(), room.clone(), start.clone(), MESSAGES_PER_ROOM));
        let readers: Vec<_> = readers.map(tokio::spawn).collect();
        let share = MESSAGES_PER_ROOM / load.addresses.len();
        let filled = load.addresses.iter().enumerate().map(async |(number, address)| {
            let mut filler = Filler::new(address, &room, USERS);
            let outcomes = filler.fill(number * share..(number + 1) * share, &load.accepted).await;
            load.refused_tokens.fetch_add(filler.refused_tokens, Ordering::Relaxed);
            outcomes
        });
        let mut outcomes: Vec<_> = join_all(filled).await.concat();

        let kills = load.failovers.read().await;
        let end = Filler::new(&load.addresses[0], &room, 1)
            .fill(MESSAGES_PER_ROOM..MESSAGES_PER_ROOM + 1, &load.accepted)
            .await;
        assert!(matches!(end[..], [Outcome::Accepted(_)]), "no failover meanwhile");
        outcomes.extend(end);
        let log = read(load.addresses[0].clone(), room, start, MESSAGES_PER_ROOM).await;
        let [log] = &log[..] else { panic!("no failover meanwhile") };
        let mut received: Vec<Received> = Vec::new();
        for reader in readers {
            received.push(reader.await.expect("a reader who did not fail"));
        }
        load.totals.lock().await.add(&outcomes, log, &received, &kills);
    }
}

/// Creates a room. Returns it with its first cursor.
async fn create_room(address: &str) -> (RoomKey, String) {
    let body = r#"{"query":"mutation { createRoom { room { id code cursor } } }"}"#.to_owned();
    let mut client = PipelinedClient::open(address).await;
    loop {
        let answers = client.post_all(std::slice::from_ref(&body)).await;
        let field = |name: &str| extract(&answers[0], &format!("\"{name}\":\"")).map(str::to_owned);
        if let (Some(id), Some(code), Some(cursor)) = (field("id"), field("code"), field("cursor")) {
            return (RoomKey { id, code }, cursor);
        }
        assert_eq!(field("code").as_deref(), Some("UNAVAILABLE"), "{answers:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A cluster without replicas, a server on it, and the users who fill its rooms.
struct Side {
    cluster: RedisCluster,
    _server: Server,
    fillers: Vec<Filler>,
    /// CPU time per send in microseconds: of the busiest shard, and of all shards.
    costs: Vec<(f64, f64)>,
}

impl Side {
    async fn of(shards: usize) -> Self {
        let cluster = RedisCluster::with(shards, 0, &[]).await;
        let server = Server::with(&[("REDIS_URL", &cluster.url()), ("REDIS_CLUSTER", "true")]);
        let mut fillers = Vec::new();
        for number in 0..WORKERS {
            // Every sixth of the slots gets the same number of rooms, so that 1, 2 and 3 shards share them evenly.
            let room = loop {
                let (room, _) = create_room(server.address()).await;
                if usize::from(slot_of(&room.id)) * 6 / usize::from(SLOTS) == number % 6 {
                    break room;
                }
            };
            fillers.push(Filler::new(server.address(), &room, 4 * USERS));
        }
        Self { cluster, _server: server, fillers, costs: Vec::new() }
    }

    async fn round(&mut self, first: usize, sends: usize) {
        let (before, accepted) = (cpu_by_node(&self.cluster), AtomicUsize::default());
        let each = sends / self.fillers.len();
        join_all(self.fillers.iter_mut().map(|filler| filler.fill(first..first + each, &accepted))).await;
        let sends = accepted.into_inner() as f64;
        let costs = cpu_by_node(&self.cluster).into_iter().zip(before).map(|(after, before)| (after - before) / sends);
        let costs: Vec<_> = costs.collect();
        self.costs.push((costs.iter().copied().fold(0.0, f64::max), costs.iter().sum()));
    }
}

async fn shards(sends: usize) {
    let mut sides = Vec::new();
    for shards in 1..=SHARDS {
        sides.push(Side::of(shards).await);
    }
    // The first round warms up.
    for round in 0..=ROUNDS {
        for side in &mut sides {
            side.round(round * sends, sends).await;
        }
    }
    let mut of_one = None;
    for (shards, side) in (1..).zip(sides) {
        let median_of = |pick: fn(&(f64, f64)) -> f64| median(side.costs[1..].iter().map(pick).collect());
        let (busiest, all) = (median_of(|cost| cost.0), median_of(|cost| cost.1));
        let throughput = 1_000_000.0 / busiest;
        let line = json!({
            "bench": "cluster", "scenario": "shards", "shards": shards, "sends": ROUNDS * sends,
            "busiest_shard_cpu_us_per_send": rounded(busiest, 2), "redis_cpu_us_per_send": rounded(all, 2),
            "sends_per_cpu_second_of_busiest_shard": rounded(throughput, 0),
            "times_one_shard": rounded(throughput / *of_one.get_or_insert(throughput), 2),
        });
        println!("{line}");
    }
}
