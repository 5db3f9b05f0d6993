//! Counts the instructions that the server executes outside of the kernel for each hot operation, with callgrind. Compares them
//! with `counts.json`, and fails if a count differs by more than a tenth.
//!
//! ```sh
//! make counts          # counts and compares
//! make counts-accept   # counts, and updates counts.json
//! ```
//!
//! The server is the build of the tests, because a release build would take CI five minutes more. A regression shows in either.
//! Counts do not depend on how busy the machine is. They depend little on the order of events, because one thread runs all of
//! the server's tasks and requests come one after the other. Repeated runs differ by less than one percent.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use serde_json::json;
use support::client::{RoomKey, User};
use support::redis_server::RedisServer;
use support::server::Server;
use support::subscriber::Subscriber;
use tempfile::TempDir;

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/counts.json");
/// Largest accepted difference from the committed count, as a fraction of it.
const TOLERANCE: f64 = 0.1;
const SENDS: u64 = 200;
const READS: u64 = 100;
const READERS: u64 = 50;
const EVENTS: u64 = 40;
/// Time for the last subscription to open.
const SETTLE_TIME: Duration = Duration::from_secs(4);
/// Messages in the room before its last page is read.
const MESSAGES: u64 = 200;

type Figures = BTreeMap<String, u64>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut counted = Figures::new();
    let redis = RedisServer::start().await;
    count_on("embedded", &[], &mut counted).await;
    // Under callgrind, everything takes fifty times as long.
    let on_redis = [("REDIS_URL", &*redis.url()), ("REDIS_TIMEOUT", "60s")];
    count_on("redis", &on_redis, &mut counted).await;
    if std::env::args().any(|argument| argument == "accept") {
        let text = serde_json::to_string_pretty(&counted).expect("figures are JSON") + "\n";
        std::fs::write(FIGURES, text).expect("a writable file");
        return ExitCode::SUCCESS;
    }
    compare(&counted)
}

async fn count_on(store: &str, environment: &[(&str, &str)], counted: &mut Figures) {
    let mut counter = Counter::start(environment);
    let client = counter.server.client();
    let mut user = User::of(client.clone());
    let room = client.create_room().await;
    send(&mut user, &room, MESSAGES).await;
    const LAST: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
        messages(last: 50) { nodes { id index text createdAt author { id displayName } } } } }";
    let of_room = || json!({ "id": room.id, "code": room.code });
    client.data(LAST, of_room()).await;
    let mut note = |what: &str, instructions: u64| {
        println!("{}", json!({ "bench": "counts", "store": store, "what": what, "instructions": instructions }));
        counted.insert(format!("{what}, {store}"), instructions);
    };

    counter.begin();
    send(&mut user, &room, SENDS).await;
    let of_send = counter.end() / SENDS;
    note("a send", of_send);

    counter.begin();
    for _ in 0..READS {
        client.data(LAST, of_room()).await;
    }
    note("reading the last 50 messages", counter.end() / READS);

    counter.begin();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Subscriber::open(counter.server.address(), &room, None).await);
    }
    // Waits for a fixed time, because requests that check the subscriptions would be counted, too.
    tokio::time::sleep(SETTLE_TIME).await;
    note("opening a subscription", counter.end() / READERS);
    client.wait_for_viewers(&room, READERS as usize).await;

    counter.begin();
    for _ in 0..EVENTS {
        send(&mut user, &room, 1).await;
        for reader in &mut readers {
            reader.event().await;
        }
    }
    note("a delivery", counter.end().saturating_sub(EVENTS * of_send) / (EVENTS * READERS));
}

async fn send(user: &mut User, room: &RoomKey, count: u64) {
    for number in 0..count {
        user.send(room, &format!("message {number}, with a text of about forty characters")).await;
    }
}

/// A server that runs under callgrind.
struct Counter {
    server: Server,
    directory: TempDir,
    dumps: u32,
}

impl Counter {
    fn start(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for callgrind");
        let out = format!("--callgrind-out-file={}", directory.path().join("out").display());
        let program =
            ["valgrind", "--quiet", "--tool=callgrind", &out, env!("CARGO_BIN_EXE_livechat")].map(str::to_owned).into();
        let one_thread: &[(&str, &str)] = &[("TOKIO_WORKER_THREADS", "1"), ("PATH", "/usr/bin:/bin")];
        Self { server: Server::started_by(program, &[one_thread, environment].concat()), directory, dumps: 0 }
    }

    /// Starts counting at zero.
    fn begin(&self) {
        self.control("--zero");
    }

    /// Instructions since [`begin`](Self::begin).
    fn end(&mut self) -> u64 {
        self.control("--dump");
        self.dumps += 1;
        let dump = self.directory.path().join(format!("out.{}", self.dumps));
        total(&dump).unwrap_or_else(|| panic!("no total in {}", dump.display()))
    }

    fn control(&self, what: &str) {
        let mut control = Command::new("callgrind_control");
        let done = control.arg(what).arg(self.server.process_id().to_string()).output().expect("callgrind_control");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// The total number of instructions in a dump of callgrind.
fn total(dump: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(dump).ok()?;
    text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")))?.trim().parse().ok()
}

fn compare(counted: &Figures) -> ExitCode {
    let text = std::fs::read_to_string(PathBuf::from(FIGURES)).expect("the committed figures");
    let committed: Figures = serde_json::from_str(&text).expect("figures in JSON");
    let mut fine = counted.keys().eq(committed.keys());
    for (what, now) in counted {
        let before = committed.get(what).copied().unwrap_or_default();
        let change = *now as f64 / before.max(1) as f64 - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => "SLOWER",
            change if change < -TOLERANCE => "faster: accept it with `make counts-accept`",
            _ => "as before",
        };
        fine &= change.abs() <= TOLERANCE;
        println!("{what}: {now} instructions, committed {before}, {:+.1}%: {verdict}", change * 100.0);
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
