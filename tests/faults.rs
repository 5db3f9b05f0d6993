//! Faults of real processes. Each test proves that the fault is reported, LiveChat loses no acknowledged change, every reader
//! receives each event once, and service recovers without help. docs/reliability.md has the table of results.
//!
//! - `redis_outage`: Redis killed with and without its data, frozen, with a wrong password, a replica.
//! - `redis_connection`: connections to Redis that break or are slow.
//! - `redis_memory`: Redis without memory, and with an eviction policy.
//! - `failover`: to a replica that lacks the last writes. `restored_backup`: the same by a backup, on each store.
//! - `sentinel`: a primary that is killed, frozen or replaced under Sentinel.
//! - `cluster`: primaries of a Redis Cluster killed and frozen.
//! - `server_process`: our own process killed and frozen, on each store. `embedded_crash`: killed with the embedded store.
//! - `full_disk`, `embedded_corruption`: the disk below the embedded store.
//! - `client_disconnect`: clients that disconnect during a request. `reader_reconnects`: readers whose connections break.
//! - `presence`: a server killed while users come and go.
//! - `clock`: clocks set forward and back at run time, rate limits and lockouts included.

mod client_disconnect;
mod clock;
mod cluster;
mod embedded_corruption;
mod embedded_crash;
mod failover;
mod full_disk;
mod presence;
mod reader_reconnects;
mod redis_connection;
mod redis_memory;
mod redis_outage;
pub mod restored_backup;
mod sentinel;
mod server_process;

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::server::Server;

/// Bounds the wait for an error. The server reports an unavailable store within two seconds, but a busy machine needs longer.
const ERROR_TIMEOUT: Duration = Duration::from_secs(20);

/// Asserts that a send fails because the store is unavailable.
async fn assert_unavailable(ada: &mut User, room: &RoomKey) {
    let response = timeout(ERROR_TIMEOUT, ada.try_send(room, "not stored")).await.expect("a response in time");
    assert_eq!(error_code(&response.expect("a response")), "UNAVAILABLE");
}

/// Asserts that nothing can be written and that the probes report it.
async fn assert_cannot_write(server: &Server, room: &RoomKey) {
    assert_unavailable(&mut User::of(server.client()), room).await;
    let created =
        timeout(ERROR_TIMEOUT, server.client().code("mutation { createRoom { room { id } } }", Value::Null)).await;
    assert_eq!(created.expect("a response in time"), "UNAVAILABLE");
    let ready = timeout(ERROR_TIMEOUT, server.status("/readyz")).await.expect("a response in time");
    assert_eq!((ready, server.status("/healthz").await), (503, 200));
}

/// Waits until the server is ready. Prints the duration for docs/reliability.md.
async fn wait_until_ready(server: &Server) {
    let start = Instant::now();
    eventually("the server is ready again", async || server.status("/readyz").await == 200).await;
    println!("ready again after {:?}", start.elapsed());
}
