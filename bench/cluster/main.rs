//! Sends over a Redis Cluster. By hand:
//!
//! ```sh
//! cargo bench --bench cluster -- kills 3000000 30s
//! cargo bench --bench cluster -- shards 60000
//! ```
//!
//! `kills`: so many messages over three shards and through two servers, while a primary is killed every so often and comes
//! back as a replica. Room after room is filled, read live on each server, and then compared with its log and with what was
//! acknowledged. Fails when anything is missing but what Redis lost, or came twice, or in another order.
//!
//! `shards`: what sends cost the busiest of one, two and three shards, rounds of which take turns.

mod account;
mod filler;
#[allow(dead_code)]
#[path = "../scenarios/line.rs"]
mod line;
#[allow(dead_code)]
#[path = "../scenarios/meter.rs"]
mod meter;
mod posts;
#[allow(dead_code)]
#[path = "../scenarios/readers.rs"]
mod readers;
#[path = "../scenarios/subscription.rs"]
mod subscription;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use account::{Heard, Sum, read};
use filler::{Fate, Filler, part};
use futures_util::future::join_all;
use meter::{cpu_micros, median, resident_kib, rounded};
use posts::Posts;
use serde_json::json;
use support::client::RoomKey;
use support::redis_cluster::{RedisCluster, SLOTS, slot_of};
use support::server::Server;
use tokio::sync::{Mutex, RwLock};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SHARDS: usize = 3;
/// Rooms that are filled at a time.
const LANES: usize = 48;
/// Messages of a room, half of them through each server.
const ROOM: usize = 1_000;
/// Users who share a line.
const USERS: usize = 8;
/// Rooms go by themselves soon after they were checked, so that Redis never holds all messages.
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

/// Everybody who fills rooms on a cluster whose primaries are killed.
struct Load {
    addresses: Vec<String>,
    /// Rooms that are still to be filled.
    left: AtomicUsize,
    accepted: AtomicUsize,
    refused_tokens: AtomicUsize,
    /// Held for reading by who begins a room or checks one, for writing from a kill to the new primary.
    calm: RwLock<Vec<RangeInclusive<Instant>>>,
    sum: Mutex<Sum>,
}

async fn kills(messages: usize, every: Duration) -> ExitCode {
    let mut cluster = RedisCluster::start().await;
    let url = cluster.url();
    let servers = [0, 1].map(|_| Server::with(&[("REDIS_URL", &url), ("ROOM_TTL", ROOM_TTL)]));
    let load = Arc::new(Load {
        addresses: servers.iter().map(|server| server.address().to_owned()).collect(),
        left: messages.div_ceil(ROOM).into(),
        accepted: AtomicUsize::default(),
        refused_tokens: AtomicUsize::default(),
        calm: RwLock::default(),
        sum: Mutex::default(),
    });
    let (start, done) = (Instant::now(), CancellationToken::new());
    let lanes: Vec<_> = (0..LANES).map(|_| tokio::spawn(lane(Arc::clone(&load)))).collect();
    let watch = tokio::spawn(watch(Arc::clone(&load), done.clone()));
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
        for lane in lanes {
            lane.await.expect("a lane that did not fail");
        }
        let elapsed = start.elapsed();
        done.cancel();
        elapsed
    };
    let (kills, elapsed) = tokio::join!(killer, filling);
    watch.await.expect("no panic");
    let sum = load.sum.lock().await;
    let a_message = |micros: f64| rounded(micros / sum.accepted as f64, 1);
    let server_cpu = servers.iter().map(|server| cpu_micros(server.process_id())).sum();
    let redis_cpu = kills.cpu_micros + used(&cluster).iter().sum::<f64>();
    let line = json!({
        "bench": "cluster", "scenario": "kills", "shards": SHARDS, "servers": servers.len(), "rooms": sum.rooms,
        "messages": sum.accepted, "readers_of_a_room": servers.len() + 1, "kills": kills.count,
        "longest_failover_ms": kills.longest.as_millis(), "seconds": elapsed.as_secs(),
        "messages_per_second": rounded(sum.accepted as f64 / elapsed.as_secs_f64(), 0),
        "server_cpu_us_per_message": a_message(server_cpu), "redis_cpu_us_per_message": a_message(redis_cpu),
        "load_cpu_us_per_message": a_message(cpu_micros(std::process::id())),
        "lost_by_redis": sum.lost_by_redis, "missing": sum.missing, "gaps": sum.gaps, "repeats": sum.repeats,
        "out_of_order": sum.out_of_order, "read_anew": sum.read_anew, "refused_for_nothing": sum.refused_for_nothing,
        "refused_tokens": load.refused_tokens.load(Ordering::Relaxed), "fine": sum.is_fine(),
    });
    println!("{line}");
    if sum.is_fine() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was killed.
#[derive(Default)]
struct Kills {
    count: usize,
    /// Until there was another primary.
    longest: Duration,
    /// What they had used by then.
    cpu_micros: f64,
}

impl Kills {
    /// Kills the primary of a shard, and starts it again once it has a next_token.
    async fn kill(&mut self, cluster: &mut RedisCluster, load: &Load, shard: usize) {
        let slot = (usize::from(SLOTS) * shard / SHARDS) as u16;
        let mut calm = load.calm.write().await;
        let primary = cluster.owner(slot).await.expect("a primary");
        self.cpu_micros += cpu_micros(cluster.node(primary).process_id());
        let copied = cluster.copied(primary).await;
        let fault = Instant::now();
        cluster.kill(primary);
        cluster.next_token(slot, primary).await;
        self.longest = self.longest.max(fault.elapsed());
        self.count += 1;
        calm.push(copied..=Instant::now());
        drop(calm);
        cluster.restart(primary).await;
        cluster.settled().await;
    }
}

/// The CPU time that each node has used, in microseconds.
fn used(cluster: &RedisCluster) -> Vec<f64> {
    cluster.awake().map(|number| cpu_micros(cluster.node(number).process_id())).collect()
}

/// Says every half minute how far it is.
async fn watch(load: Arc<Load>, done: CancellationToken) {
    let own = std::process::id();
    while timeout(Duration::from_secs(30), done.cancelled()).await.is_err() {
        let sum = load.sum.lock().await;
        let accepted = load.accepted.load(Ordering::Relaxed);
        eprintln!("{accepted} accepted, here are {} MiB, {sum:?}", resident_kib(own) as u64 / 1_024);
    }
}

/// Fills one room after the other.
async fn lane(load: Arc<Load>) {
    while load.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let calm = load.calm.read().await;
        let (room, start) = create_room(&load.addresses[0]).await;
        drop(calm);
        let readers = load.addresses.iter().map(|address| read(address.clone(), room.clone(), start.clone(), ROOM));
        let readers: Vec<_> = readers.map(tokio::spawn).collect();
        let share = ROOM / load.addresses.len();
        let filled = load.addresses.iter().enumerate().map(async |(number, address)| {
            let mut filler = Filler::new(address, &room, USERS);
            let fates = filler.fill(number * share..(number + 1) * share, &load.accepted).await;
            load.refused_tokens.fetch_add(filler.refused, Ordering::Relaxed);
            fates
        });
        let mut fates: Vec<_> = join_all(filled).await.concat();

        let kills = load.calm.read().await;
        let end = Filler::new(&load.addresses[0], &room, 1).fill(ROOM..ROOM + 1, &load.accepted).await;
        assert!(matches!(end[..], [Fate::Accepted(_)]), "nothing is killed meanwhile");
        fates.extend(end);
        let log = read(load.addresses[0].clone(), room, start, ROOM).await;
        let [log] = &log[..] else { panic!("nothing is killed meanwhile") };
        let mut heard: Vec<Heard> = Vec::new();
        for reader in readers {
            heard.push(reader.await.expect("a reader who did not fail"));
        }
        load.sum.lock().await.add(&fates, log, &heard, &kills);
    }
}

/// A new room, and where its events begin.
async fn create_room(address: &str) -> (RoomKey, String) {
    let body = r#"{"query":"mutation { createRoom { room { id code cursor } } }"}"#.to_owned();
    let mut posts = Posts::open(address).await;
    loop {
        let answers = posts.answers(std::slice::from_ref(&body)).await;
        let field = |name: &str| part(&answers[0], &format!("\"{name}\":\"")).map(str::to_owned);
        if let (Some(id), Some(code), Some(cursor)) = (field("id"), field("code"), field("cursor")) {
            return (RoomKey { id, code }, cursor);
        }
        assert_eq!(field("code").as_deref(), Some("UNAVAILABLE"), "{answers:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A cluster without replicas, a server on it, and lines over which rooms are filled.
struct Side {
    cluster: RedisCluster,
    _server: Server,
    fillers: Vec<Filler>,
    /// Microseconds of CPU time a send: of the busiest shard, and of all.
    costs: Vec<(f64, f64)>,
}

impl Side {
    async fn of(shards: usize) -> Self {
        let cluster = RedisCluster::with(shards, 0, &[]).await;
        let server = Server::with(&[("REDIS_URL", &cluster.url()), ("REDIS_CLUSTER", "true")]);
        let mut fillers = Vec::new();
        for number in 0..LANES {
            // Each sixth of the slots gets as many rooms, so that every number of shards shares them evenly.
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
        let (before, accepted) = (used(&self.cluster), AtomicUsize::default());
        let each = sends / self.fillers.len();
        join_all(self.fillers.iter_mut().map(|filler| filler.fill(first..first + each, &accepted))).await;
        let sends = accepted.into_inner() as f64;
        let costs = used(&self.cluster).into_iter().zip(before).map(|(after, before)| (after - before) / sends);
        let costs: Vec<_> = costs.collect();
        self.costs.push((costs.iter().copied().fold(0.0, f64::max), costs.iter().sum()));
    }
}

async fn shards(sends: usize) {
    let mut sides = Vec::new();
    for shards in 1..=SHARDS {
        sides.push(Side::of(shards).await);
    }
    // The first round is to get warm.
    for round in 0..=ROUNDS {
        for side in &mut sides {
            side.round(round * sends, sends).await;
        }
    }
    let mut of_one = None;
    for (shards, side) in (1..).zip(sides) {
        let middle = |pick: fn(&(f64, f64)) -> f64| median(side.costs[1..].iter().map(pick).collect());
        let (busiest, all) = (middle(|cost| cost.0), middle(|cost| cost.1));
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
