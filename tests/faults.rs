//! Faults, made with real processes: what breaks is told, nothing that was acknowledged is lost by us, every reader has
//! each event once, and everything goes on by itself when the fault is over. docs/reliability.md has the table.
//!
//! - `redis_away`: killed with and without its data, frozen, a wrong password, a replica.
//! - `redis_line`: connections cut, and slow ones.
//! - `redis_memory`: full, and evicting.
//! - `failover`: to a replica that lacks the last writes. `set_back`: the same by a backup, on each store.
//! - `sentinel`: a primary that is killed, frozen or replaced, where sentinels name the next one.
//! - `cluster`: primaries of a Redis Cluster, killed and frozen.
//! - `killed`, `frozen`: our own process.
//! - `full_disk`, `damaged`: the disk below the embedded store.
//! - `hung_up`: clients that hang up in the middle of what they asked for.
//! - `clock`: set forward and back while everything runs, rates and lock-outs included.

mod clock;
mod cluster;
mod cuts;
mod damaged;
mod failover;
mod frozen;
mod full_disk;
mod hung_up;
mod killed;
mod redis_away;
mod redis_line;
mod redis_memory;
mod sentinel;
pub mod set_back;

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::server::Server;

/// A store that is away is told of within so much.
const TOLD: Duration = Duration::from_secs(2);

/// What the server says to a send while the store cannot be written to.
async fn assert_unavailable(ada: &mut User, room: &RoomKey) {
    let answer = timeout(TOLD, ada.try_send(room, "into the void")).await.expect("an answer in time");
    assert_eq!(error_code(&answer.expect("an answer")), "UNAVAILABLE");
}

/// Nothing can be written, and the probes say so.
async fn assert_cannot_write(server: &Server, room: &RoomKey) {
    assert_unavailable(&mut User::of(server.client()), room).await;
    let created = timeout(TOLD, server.client().code("mutation { createRoom { room { id } } }", Value::Null)).await;
    assert_eq!(created.expect("an answer in time"), "UNAVAILABLE");
    let ready = timeout(TOLD, server.status("/readyz")).await.expect("an answer in time");
    assert_eq!((ready, server.status("/healthz").await), (503, 200));
}

/// Waits for it; how long it took is printed for docs/reliability.md.
async fn ready_again(server: &Server) {
    let start = Instant::now();
    eventually("the server is ready again", async || server.status("/readyz").await == 200).await;
    println!("ready again after {:?}", start.elapsed());
}
