//! Everything at once, for as long as one likes, on both stores: rooms full of users and readers over every transport that
//! come and go, users of the legacy routes, cut lines on both sides of the server, and a Redis that is killed. By hand:
//!
//! ```sh
//! cargo bench --bench soak -- 30m
//! ```
//!
//! `--profile dev` takes the build of the tests. One line of JSON a minute and store, and one at the end. Fails when a room
//! lost something that was acknowledged or a reader missed an event or got one twice; when memory, five minutes into the
//! run and later, grows by more than a tenth and 8 MiB; or when files or sockets are left once all clients have gone.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

#[allow(dead_code)]
#[path = "scenarios/meter.rs"]
mod meter;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use meter::{holdings, median, resident_kib};
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

/// Rooms with users and readers at a time, on each store.
const CROWDS: usize = 3;
/// How long each of them lasts. Then its users and readers leave, and others come.
const LIFE: Duration = Duration::from_secs(40);
const CUTS_EVERY: Duration = Duration::from_secs(2);
const REDIS_IS_KILLED_EVERY: Duration = Duration::from_secs(45);
const WARM: Duration = Duration::from_secs(300);
/// Idle helper threads of the runtime end after ten seconds.
const GOES: Duration = Duration::from_secs(30);

/// A server with a store, and the ways that are cut.
struct Side {
    store: &'static str,
    server: Server,
    to_server: Proxy,
    redis: Option<(RedisServer, Proxy)>,
    /// Held for reading by who begins or checks something, for writing while something is broken.
    calm: Arc<RwLock<()>>,
}

impl Side {
    async fn embedded() -> Self {
        let server = Server::with(&[("ROOM_TTL", "5m")]);
        Self {
            store: "embedded",
            to_server: Proxy::to(server.address()).await,
            server,
            redis: None,
            calm: Arc::default(),
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
            calm: Arc::default(),
        }
    }

    /// Runs for so long; whether memory stayed flat and nothing was left behind.
    async fn soak(mut self, length: Duration) -> bool {
        let (start, stop) = (Instant::now(), CancellationToken::new());
        let process = self.server.process_id();
        let before = holdings(process);
        let crowds: Vec<_> = (0..CROWDS)
            .map(|number| {
                tokio::spawn(crowds(self.to_server.address().to_owned(), number, self.calm.clone(), stop.clone()))
            })
            .collect();
        let legacy = tokio::spawn(legacy(self.server.address().to_owned(), self.calm.clone(), stop.clone()));
        let (mut minutes, mut kills, mut warm) = (1, 1, Vec::new());
        while start.elapsed() < length && !crowds.iter().any(|crowd| crowd.is_finished()) && !legacy.is_finished() {
            let pause = CUTS_EVERY.mul_f64(rand::rng().random_range(0.0..1.0));
            sleep(pause).await;
            let broken = self.calm.write().await;
            self.to_server.cut();
            if let Some((redis, to_redis)) = &mut self.redis {
                to_redis.cut_after_bytes(rand::rng().random_range(1..10_000));
                let _ = timeout(Duration::from_secs(1), to_redis.wait_for_cut()).await;
                to_redis.cut_after_bytes(u64::MAX);
                if start.elapsed() > REDIS_IS_KILLED_EVERY * kills {
                    redis.kill();
                    sleep(Duration::from_millis(500)).await;
                    redis.restart().await;
                    kills += 1;
                }
                eventually("ready again", async || self.server.status("/readyz").await == 200).await;
            }
            drop(broken);
            if start.elapsed() > Duration::from_secs(60) * minutes {
                let now = holdings(process);
                let resident = resident_kib(process);
                if start.elapsed() > WARM {
                    warm.push(resident);
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
            rooms += crowd.await.expect("crowds in which nobody missed anything");
        }
        let sent = legacy.await.expect("a user of the legacy routes whose messages are there");
        let Self { store, server, to_server, redis, calm: _ } = self;
        drop(to_server);
        sleep(GOES).await;
        let after = holdings(process);
        let clean = after.files <= before.files + SPARE && !server.log().contains("panicked");
        let flat = is_flat(&warm);
        let line = json!({ "bench": "soak", "store": store, "seconds": start.elapsed().as_secs(), "rooms_checked": rooms,
            "sent_by_rest": sent, "redis_kills": kills - 1, "before": format!("{before:?}"), "after": format!("{after:?}"),
            "resident_kib": resident_kib(process), "left_nothing": clean, "memory_flat": flat });
        println!("{line}");
        drop(redis);
        clean && flat != Some(false)
    }
}

/// Files that the store opens when it is first used: its reading connections, two files each, or its lines to Redis.
const SPARE: usize = 10;

/// Whether the last readings are no more than a tenth and 8 MiB above the first; `None` when there are too few to say.
fn is_flat(resident: &[f64]) -> Option<bool> {
    let part = resident.len() / 3;
    (part > 0).then(|| {
        let (first, last) = (&resident[..part], &resident[resident.len() - part..]);
        median(last.to_vec()) <= median(first.to_vec()) * 1.1 + 8.0 * 1_024.0
    })
}

/// One crowd after the other; how many there were.
async fn crowds(address: String, number: usize, calm: Arc<RwLock<()>>, stop: CancellationToken) -> usize {
    let mut count = 0;
    // Not all at once.
    let mut life = LIFE.mul_f64((number + 1) as f64 / CROWDS as f64);
    while !stop.is_cancelled() {
        let beginning = calm.read().await;
        let crowd = Crowd::start(&address).await;
        drop(beginning);
        let _ = timeout(life, stop.cancelled()).await;
        let _calm = calm.read().await;
        crowd.settle_and_check().await;
        (count, life) = (count + 1, LIFE);
    }
    count
}

/// Users of the legacy routes; how many of their messages were accepted, all of which must be there.
async fn legacy(address: String, calm: Arc<RwLock<()>>, stop: CancellationToken) -> usize {
    let client = Client::of(format!("http://{address}/graphql"));
    let mut count = 0;
    while !stop.is_cancelled() {
        let beginning = calm.read().await;
        let room = client.create_room().await;
        drop(beginning);
        let mut accepted = Vec::new();
        for n in 0..50 {
            // A send without an id of its own must not be repeated: each is by somebody else.
            let mut user = RestUser::of(&address, format!("{:032x}", rand::random::<u128>()));
            if user.try_send(&room, &n.to_string()).await.is_ok_and(|answer| answer["status_code"] == 200) {
                accepted.push(n.to_string());
            }
            sleep(Duration::from_millis(50)).await;
        }
        let _calm = calm.read().await;
        let texts = client.texts(&room).await;
        for text in &accepted {
            assert_eq!(texts.iter().filter(|held| held.as_ref() == Some(text)).count(), 1, "{text} of {texts:?}");
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
    let fine = join_all(sides.map(|side| tokio::spawn(side.soak(length)))).await;
    if fine.into_iter().all(|fine| fine.unwrap_or(false)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
