//! Memory of the server per reader that stops reading, on each transport: a reader that stops during live events, and one that
//! stops while it catches up from the log. Messages have the maximum size. Run by hand:
//!
//! ```sh
//! cargo bench --bench stopped_readers
//! ```
//!
//! Prints a line of JSON for each case. Fails if a reader takes more memory than allowed.

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use support::client::{RoomKey, User};
use support::server::Server;
use support::transport::{Reader, Transport};

const READERS: usize = 50;
const USERS: usize = 8;
const MESSAGES: usize = 400;
/// Enough to fill the server's caches.
const WARM_UP_MESSAGES: usize = 2_400;
const KIB_PER_READER_MAX: f64 = 256.0;

#[tokio::main]
async fn main() -> ExitCode {
    let mut is_ok = true;
    for transport in Transport::ALL {
        for live in [true, false] {
            let kib = kib_per_reader(transport, live).await;
            is_ok &= kib <= KIB_PER_READER_MAX;
            let line = json!({
                "bench": "stopped_readers", "transport": format!("{transport:?}"), "stopped": READERS,
                "while": if live { "live" } else { "catching up" }, "kib_a_reader": kib,
            });
            println!("{line}");
        }
    }
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn kib_per_reader(transport: Transport, live: bool) -> f64 {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let client = server.client();
    let mut users: Vec<User> = (0..USERS).map(|_| User::of(client.clone())).collect();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    // Fill the shared caches first, with readers that read.
    send(&mut users, &room, WARM_UP_MESSAGES).await;
    users[0].send(&room, "warm").await;
    let mut warm = Reader::open_narrow(transport, server.address(), &room, Some(start.clone())).await;
    warm.until_sent_or_closed("warm").await;
    drop(warm);
    client.wait_for_viewers(&room, 0).await;
    let after = if live { client.cursor(&room).await } else { start };
    let before = resident_kib(server.process_id());
    let mut stopped = Vec::new();
    for _ in 0..READERS {
        stopped.push(Reader::open_narrow(transport, server.address(), &room, Some(after.clone())).await);
    }
    client.wait_for_viewers(&room, READERS).await;
    send(&mut users, &room, MESSAGES).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let growth = resident_kib(server.process_id()) - before;
    client.wait_for_viewers(&room, READERS).await;
    (growth / READERS as f64).round()
}

/// Sends messages of 16 KiB from all users in parallel.
async fn send(users: &mut [User], room: &RoomKey, count: usize) {
    let each = count / users.len();
    let senders = users.iter_mut().map(|user| async move {
        for n in 0..each {
            user.send(room, &format!("{n}{}", "\u{1f980}".repeat(3_990))).await;
        }
    });
    join_all(senders).await;
}

/// The resident memory of a process, in KiB.
fn resident_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
