//! Long-running load with faults, on both stores: rooms with changing users and readers on every transport, users of the legacy
//! routes, cut connections on both sides of the server, and a Redis that is killed. Run by hand:
//!
//! ```sh
//! cargo bench --bench soak -- 30m
//! ```
//!
//! `--profile dev` uses the build of the tests. Prints a line of JSON per minute and store, and one at the end. Fails if a room
//! lost an acknowledged change, or a reader missed an event or received one twice; if memory grows by more than a tenth plus
//! 8 MiB after the first five minutes; or if files or sockets are left after all clients have gone.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

#[allow(dead_code)]
#[path = "scenarios/process_stats.rs"]
mod process_stats;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use process_stats::{median, resident_kib, resources};
use rand::RngExt as _;
use serde_json::json;
use support::client::Client;
use support::crowd::Crowd;
use support::eventually;
use support::proxy::Proxy;
use support::redis_server::RedisServer;
use support::rest::RestUser;
use support::server::Server;
use tokio::sync::RwLock;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Concurrent rooms with users and readers, per store.
const CROWDS: usize = 3;
/// The duration of a crowd. Then its users and readers leave, and a new crowd comes.
const CROWD_DURATION: Duration = Duration::from_secs(40);
const CUT_INTERVAL: Duration = Duration::from_secs(2);
const REDIS_KILL_INTERVAL: Duration = Duration::from_secs(45);
const WARM_UP: Duration = Duration::from_secs(300);
/// Time for clients to disconnect and for idle runtime threads to end (after ten seconds).
const COOL_DOWN: Duration = Duration::from_secs(30);

/// A server with its store, and the proxies that cut connections.
struct Side {
    store: &'static str,
    server: Server,
    to_server: Proxy,
    redis: Option<(RedisServer, Proxy)>,
    /// Locked for writing while a fault is active, and for reading while something is started or checked.
    fault_lock: Arc<RwLock<()>>,
}

impl Side {
    async fn embedded() -> Self {
        let server = Server::with(&[("ROOM_TTL", "5m")]);
        Self {
            store: "embedded",
            to_server: Proxy::to(server.address()).await,
            server,
            redis: None,
            fault_lock: Arc::default(),
        }
    }

    async fn redis() -> Self {
        let redis = RedisServer::start_durable().await;
        let to_redis = Proxy::to(&redis.address()).await;
        let url = format!("redis://{}/", to_redis.address());
        let server = Server::with(&[("ROOM_TTL", "5m"), ("REDIS_URL", &url)]);
        Self {
            store: "redis",
            to_server: Proxy::to(server.address()).await,
            server,
            redis: Some((redis, to_redis)),
            fault_lock: Arc::default(),
        }
    }

    /// Runs for `length`. Returns whether memory stayed flat and nothing was left behind.
    async fn soak(mut self, length: Duration) -> bool {
        let (start, stop) = (Instant::now(), CancellationToken::new());
        let process = self.server.process_id();
        let before = resources(process);
        let crowds: Vec<_> = (0..CROWDS)
            .map(|number| {
                tokio::spawn(crowds(self.to_server.address().to_owned(), number, self.fault_lock.clone(), stop.clone()))
            })
            .collect();
        let legacy = tokio::spawn(legacy(self.server.address().to_owned(), self.fault_lock.clone(), stop.clone()));
        let (mut minutes, mut kills, mut samples) = (1, 1, Vec::new());
        while start.elapsed() < length && !crowds.iter().any(|crowd| crowd.is_finished()) && !legacy.is_finished() {
            let pause = CUT_INTERVAL.mul_f64(rand::rng().random_range(0.0..1.0));
            sleep(pause).await;
            let fault = self.fault_lock.write().await;
            self.to_server.cut();
            if let Some((redis, to_redis)) = &mut self.redis {
                to_redis.cut_after_bytes(rand::rng().random_range(1..10_000));
                let _ = timeout(Duration::from_secs(1), to_redis.wait_for_cut()).await;
                to_redis.cut_after_bytes(u64::MAX);
                if start.elapsed() > REDIS_KILL_INTERVAL * kills {
                    redis.kill();
                    sleep(Duration::from_millis(500)).await;
                    redis.restart().await;
                    kills += 1;
                }
                eventually("the server is ready again", async || self.server.status("/readyz").await == 200).await;
            }
            drop(fault);
            if start.elapsed() > Duration::from_secs(60) * minutes {
                let now = resources(process);
                let resident = resident_kib(process);
                if start.elapsed() > WARM_UP {
                    samples.push(resident);
                }
                let line = json!({ "bench": "soak", "store": self.store, "minute": minutes, "resident_kib": resident,
                    "threads": now.threads, "files": now.files, "sockets": now.sockets });
                println!("{line}");
                minutes += 1;
            }
        }
        stop.cancel();
        let mut rooms = 0;
        for crowd in crowds {
            rooms += crowd.await.expect("crowds without faults");
        }
        let sent = legacy.await.expect("a legacy user without lost messages");
        let Self { store, server, to_server, redis, fault_lock: _ } = self;
        drop(to_server);
        sleep(COOL_DOWN).await;
        let after = resources(process);
        let clean = after.files <= before.files + STORE_FILES && !server.log().contains("panicked");
        let flat = is_flat(&samples);
        let line = json!({ "bench": "soak", "store": store, "seconds": start.elapsed().as_secs(), "rooms_checked": rooms,
            "sent_by_rest": sent, "redis_kills": kills - 1, "before": format!("{before:?}"), "after": format!("{after:?}"),
            "resident_kib": resident_kib(process), "left_nothing": clean, "memory_flat": flat });
        println!("{line}");
        drop(redis);
        clean && flat != Some(false)
    }
}

/// Files that the store opens on first use: reading connections, two files each, or connections to Redis.
const STORE_FILES: usize = 10;

/// Whether the last samples exceed the first by no more than a tenth plus 8 MiB; `None` if there are too few.
fn is_flat(resident: &[f64]) -> Option<bool> {
    let part = resident.len() / 3;
    (part > 0).then(|| {
        let (first, last) = (&resident[..part], &resident[resident.len() - part..]);
        median(last.to_vec()) <= median(first.to_vec()) * 1.1 + 8.0 * 1_024.0
    })
}

/// Runs one crowd after the other. Returns their number.
async fn crowds(address: String, number: usize, fault_lock: Arc<RwLock<()>>, stop: CancellationToken) -> usize {
    let mut count = 0;
    // Staggered, so that crowds do not end together.
    let mut duration = CROWD_DURATION.mul_f64((number + 1) as f64 / CROWDS as f64);
    while !stop.is_cancelled() {
        let no_fault = fault_lock.read().await;
        let crowd = Crowd::start(&address).await;
        drop(no_fault);
        let _ = timeout(duration, stop.cancelled()).await;
        let _no_fault = fault_lock.read().await;
        crowd.settle_and_check().await;
        (count, duration) = (count + 1, CROWD_DURATION);
    }
    count
}

/// Sends over the legacy routes. Returns the number of accepted messages, all of which must be stored.
async fn legacy(address: String, fault_lock: Arc<RwLock<()>>, stop: CancellationToken) -> usize {
    let client = Client::of(format!("http://{address}/graphql"));
    let mut count = 0;
    while !stop.is_cancelled() {
        let no_fault = fault_lock.read().await;
        let room = client.create_room().await;
        drop(no_fault);
        let mut accepted = Vec::new();
        for n in 0..50 {
            // Without a client message id a send must not be repeated, so each send is by a new user.
            let mut user = RestUser::of(&address, format!("{:032x}", rand::random::<u128>()));
            if user.try_send(&room, &n.to_string()).await.is_ok_and(|answer| answer["status_code"] == 200) {
                accepted.push(n.to_string());
            }
            sleep(Duration::from_millis(50)).await;
        }
        let _no_fault = fault_lock.read().await;
        let texts = client.texts(&room).await;
        for text in &accepted {
            assert_eq!(texts.iter().filter(|stored| stored.as_ref() == Some(text)).count(), 1, "{text} of {texts:?}");
        }
        count += accepted.len();
    }
    count
}

#[tokio::main]
async fn main() -> ExitCode {
    let length = std::env::args().nth(1).filter(|length| !length.starts_with('-')).unwrap_or_else(|| "30m".to_owned());
    let length = humantime::parse_duration(&length).expect("a time like 30m");
    let sides = [Side::embedded().await, Side::redis().await];
    let results = join_all(sides.map(|side| tokio::spawn(side.soak(length)))).await;
    if results.into_iter().all(|result| result.unwrap_or(false)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
