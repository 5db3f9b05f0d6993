//! Cuts ten thousand connections, on every transport, to two servers on one Redis, while users send, edit, delete and react, and
//! the owner moderates. Run by hand:
//!
//! ```sh
//! cargo bench --bench cuts
//! ```
//!
//! `CUTS_SEED` repeats the random choices of an earlier run; `--profile dev` uses the build of the tests. Prints a line of JSON.
//! Fails if a reader missed an event of any kind, received one twice, ended with a different room, or did not get its end.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use support::cuts::{Faults, Trial};
use support::redis_server::RedisServer;
use support::server::Server;

const CUTS: usize = 10_000;
const ROOMS: usize = 6;
/// Per room and transport.
const READERS: usize = 4;
/// Per room.
const USERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// A longer run counts as hanging.
const TIME_LIMIT: Duration = Duration::from_secs(900);

#[tokio::main]
async fn main() -> ExitCode {
    let seed = std::env::var("CUTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("CUTS_SEED={seed}");
    let redis = RedisServer::start().await;
    let environment = [("REDIS_URL", &*redis.url()), ("REDIS_TIMEOUT", "20s")];
    let servers = [Server::with(&environment), Server::with(&environment)];
    let addresses = servers.each_ref().map(|server| server.address().to_owned());
    let start = Instant::now();
    let trial = Trial { seed, rooms: ROOMS, readers: READERS, users: USERS, pause: PAUSE, cuts: CUTS };
    let Ok(outcome) = tokio::time::timeout(TIME_LIMIT, trial.run(&addresses)).await else {
        eprintln!("not finished after {TIME_LIMIT:?}");
        return ExitCode::FAILURE;
    };
    let [websocket, sse, multipart] = outcome.cuts;
    let Faults { gaps, repeats, wrong_lists, wrong_rooms, wrong_ends, losses } = outcome.faults;
    let line = json!({
        "bench": "cuts", "seed": seed, "servers": servers.len(), "rooms": ROOMS, "readers": outcome.readers,
        "cuts": { "websocket": websocket, "sse": sse, "multipart": multipart },
        "cuts_after_bytes": outcome.cuts_after_bytes, "events": outcome.events, "deliveries": outcome.deliveries,
        "gaps": gaps, "repeats": repeats, "readers_with_other_events": wrong_lists,
        "readers_with_another_room": wrong_rooms, "readers_without_the_end": wrong_ends, "kinds": outcome.kinds,
        "connections_lost_uncut": losses,
        "seconds": start.elapsed().as_secs(),
    });
    println!("{line}");
    let is_complete = outcome.cuts.iter().sum::<usize>() == CUTS;
    if is_complete && outcome.faults == Faults::default() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
