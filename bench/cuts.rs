//! Cuts ten thousand connections, on every transport, to two servers on one Redis, while users send, edit, delete and react, and
//! the owner moderates. Run by hand:
//!
//! ```sh
//! cargo bench --bench cuts
//! make rolling                # the same during a rolling restart between two builds
//! ```
//!
//! `CUTS_SEED` repeats the random choices of an earlier run; `--profile dev` uses the build of the tests. Prints a line of JSON.
//! Fails if a reader missed an event of any kind, received one twice, ended with a different room, or did not get its end.
//!
//! In a rolling restart, each server in turn is taken out of rotation, stopped, and started again as the other build: this one, or
//! the one at `NEXT_LIVECHAT`, which was built with the feature `test-next-version`.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use support::cuts::{Faults, Outcome, Trial};
use support::redis_server::{RedisServer, free_port};
use support::rotation::Rotation;
use support::server::Server;
use tokio_util::sync::CancellationToken;

const CUTS: usize = 10_000;
/// The least number of events in a rolling restart.
const EVENTS: usize = 10_000;
const ROOMS: usize = 6;
/// Per room and transport.
const READERS: usize = 4;
/// Per room.
const USERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(100);
/// How long both servers run between two restarts.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The time for requests to a server that is out of rotation.
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// A longer run counts as hanging.
const TIME_LIMIT: Duration = Duration::from_secs(900);

#[tokio::main]
async fn main() -> ExitCode {
    let seed = std::env::var("CUTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("CUTS_SEED={seed}");
    let is_rolling = std::env::args().any(|argument| argument == "rolling");
    let run = async {
        if is_rolling { run_with_rolling_restarts(seed).await } else { Some(run_without_restarts(seed).await) }
    };
    match tokio::time::timeout(TIME_LIMIT, run).await {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(_) => {
            eprintln!("not finished after {TIME_LIMIT:?}");
            ExitCode::FAILURE
        }
    }
}

fn trial(seed: u64, events: usize) -> Trial {
    Trial { seed, rooms: ROOMS, readers: READERS, users: USERS, pause: PAUSE, cuts: CUTS, events }
}

/// Prints a line with the outcome, and says whether it is as promised.
fn report(seed: u64, start: Instant, outcome: &Outcome, more: Value) -> bool {
    let [websocket, sse, multipart] = outcome.cuts;
    let Faults { gaps, repeats, wrong_lists, wrong_rooms, wrong_ends, losses } = outcome.faults;
    let mut line = json!({
        "bench": "cuts", "seed": seed, "servers": 2, "rooms": ROOMS, "readers": outcome.readers,
        "cuts": { "websocket": websocket, "sse": sse, "multipart": multipart },
        "cuts_after_bytes": outcome.cuts_after_bytes, "events": outcome.events, "deliveries": outcome.deliveries,
        "gaps": gaps, "repeats": repeats, "readers_with_other_events": wrong_lists,
        "readers_with_another_room": wrong_rooms, "readers_without_the_end": wrong_ends, "kinds": outcome.kinds,
        "connections_lost_uncut": losses,
        "seconds": start.elapsed().as_secs(),
    });
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    println!("{line}");
    outcome.cuts.iter().sum::<usize>() == CUTS
}

async fn run_without_restarts(seed: u64) -> bool {
    let redis = RedisServer::start().await;
    let environment = [("REDIS_URL", &*redis.url()), ("REDIS_TIMEOUT", "20s")];
    let servers = [Server::with(&environment), Server::with(&environment)];
    let addresses = servers.each_ref().map(|server| server.address().to_owned());
    let start = Instant::now();
    let outcome = trial(seed, 0).run(&addresses).await;
    report(seed, start, &outcome, json!({})) && outcome.faults == Faults::default()
}

/// `None` without a second build.
async fn run_with_rolling_restarts(seed: u64) -> Option<bool> {
    let Ok(next) = std::env::var("NEXT_LIVECHAT") else {
        eprintln!(
            "Set NEXT_LIVECHAT to a livechat that was built with --features test-next-version, or run `make rolling`."
        );
        return None;
    };
    let builds = [next, env!("CARGO_BIN_EXE_livechat").to_owned()];
    let redis = RedisServer::start().await;
    let url = redis.url();
    // The first server is the newer build in the beginning. Each keeps its port.
    let servers = builds.each_ref().map(|build| {
        let listen = format!("127.0.0.1:{}", free_port());
        let environment =
            [("REDIS_URL", &*url), ("REDIS_TIMEOUT", "20s"), ("LISTEN_ADDR", &*listen), ("DRAIN_SECONDS", "1")];
        Server::started_by(vec![build.clone()], &environment)
    });
    let rotation = Rotation::of(servers.iter().map(|server| server.address().to_owned()));
    let restarts = Restarts { servers, builds, rotation: Arc::clone(&rotation), redis: redis.connection().await };
    let start = Instant::now();
    let (mut outcome, done) = trial(seed, EVENTS).run_during(&rotation, |stop| restarts.run(stop)).await;
    let Done { _servers, restarts, additions, logs } = done;
    let more = json!({
        "mode": "rolling", "restarts": restarts, "entries_of_an_unknown_kind": additions.entries,
        "messages_with_unknown_fields": additions.messages, "deleted_messages_with_unknown_content": additions.remnants,
        "rooms_with_unknown_settings": additions.settings, "errors_in_logs": logs.len(),
    });
    let is_complete = report(seed, start, &outcome, more);
    logs.iter().for_each(|line| eprintln!("{line}"));
    // A restart ends connections, too.
    outcome.faults.losses = 0;
    let is_mixed = restarts >= 4 && additions.entries > 0 && additions.messages > 0;
    // The newer build has created every second room. The older one has changed all of their settings.
    let is_kept = additions.settings == ROOMS / 2 && additions.remnants == 0;
    let has_all = is_complete && outcome.events >= EVENTS && outcome.faults == Faults::default();
    Some(has_all && is_mixed && is_kept && logs.is_empty())
}

/// Two servers that are restarted in turn, each time as the other build.
struct Restarts {
    servers: [Server; 2],
    builds: [String; 2],
    rotation: Arc<Rotation>,
    redis: MultiplexedConnection,
}

struct Done {
    /// They run on until the trial has checked everything.
    _servers: [Server; 2],
    restarts: usize,
    additions: Additions,
    /// Lines of the servers' logs that report an error.
    logs: Vec<String>,
}

impl Restarts {
    async fn run(mut self, stop: CancellationToken) -> Done {
        let mut restarts = 0;
        while !stop.is_cancelled() {
            tokio::time::sleep(RESTART_PAUSE).await;
            let number = restarts % 2;
            let server = &mut self.servers[number];
            self.rotation.set(number, false);
            tokio::time::sleep(SETTLE_TIME).await;
            assert!(server.terminate().await.success(), "{}", server.log());
            // Server 0 was the newer build first, so its first restart is to the older one.
            let build = self.builds[(number + restarts / 2 + 1) % 2].clone();
            tokio::task::block_in_place(|| server.start_by(vec![build]));
            self.rotation.set(number, true);
            restarts += 1;
        }
        let additions = Additions::count(&mut self.redis).await;
        let is_error =
            |line: &&str| line.contains("ERROR") || line.contains("panicked") || line.contains("cannot decode");
        let logs = self.servers.each_ref().map(Server::log);
        let logs = logs.iter().flat_map(|log| log.lines()).filter(is_error).map(str::to_owned).collect();
        Done { _servers: self.servers, restarts, additions, logs }
    }
}

/// What the newer build has left in Redis.
#[derive(Debug, Default)]
struct Additions {
    entries: usize,
    messages: usize,
    /// Deleted messages whose unknown content is still there.
    remnants: usize,
    /// Rooms with a setting of the newer build.
    settings: usize,
}

impl Additions {
    async fn count(redis: &mut MultiplexedConnection) -> Self {
        const SETTING: &[u8] = b"\nzline of the next version";
        let mut found = Self::default();
        let logs: Vec<String> = redis::cmd("KEYS").arg("livechat:1:*:log").query_async(redis).await.expect("keys");
        for log in logs {
            let key = |part: &str| format!("{}{part}", log.strip_suffix("log").expect("the name of a log"));
            let mut all = async |part: &str| -> Vec<Vec<u8>> {
                redis::cmd("LRANGE").arg(key(part)).arg(0).arg(-1).query_async(redis).await.expect("a list")
            };
            found.entries += all("log").await.iter().filter(|entry| entry.starts_with(b"z")).count();
            for message in all("messages").await {
                let message = String::from_utf8_lossy(&message).into_owned();
                found.messages += usize::from(message.contains("\nzfield of the next version\n"));
                let is_deleted = message.contains("\ndm\n") || message.contains("\ndo\n");
                found.remnants += usize::from(is_deleted && message.contains("\nZcontent of the next version\n"));
            }
            let about: Vec<u8> =
                redis::cmd("HGET").arg(key("room")).arg("about").query_async(redis).await.expect("a field");
            found.settings += usize::from(about.ends_with(SETTING));
        }
        found
    }
}
