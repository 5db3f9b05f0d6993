//! What a reader who stops reading costs the server's memory, over each transport: one who stops while events come live,
//! and one who stops while it catches up from the log. Messages are as big as they may be. Run by hand:
//!
//! ```sh
//! cargo bench --bench stopped_readers
//! ```
//!
//! One line of JSON for each; fails when a reader costs more than it may.

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
/// Enough to fill what the server remembers for everybody.
const WARMING: usize = 2_400;
const KIB_ALLOWED: f64 = 256.0;

#[tokio::main]
async fn main() -> ExitCode {
    let mut within = true;
    for transport in Transport::ALL {
        for live in [true, false] {
            let kib = kib_a_reader(transport, live).await;
            within &= kib <= KIB_ALLOWED;
            let line = json!({
                "bench": "stopped_readers", "transport": format!("{transport:?}"), "stopped": READERS,
                "while": if live { "live" } else { "catching up" }, "kib_a_reader": kib,
            });
            println!("{line}");
        }
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn kib_a_reader(transport: Transport, live: bool) -> f64 {
    let server = Server::with(&[("WRITE_TIMEOUT", "10m")]);
    let client = server.client();
    let mut users: Vec<User> = (0..USERS).map(|_| User::of(client.clone())).collect();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    // Whatever is remembered for everybody is filled first, by readers who read.
    send(&mut users, &room, WARMING).await;
    users[0].send(&room, "warm").await;
    let mut warm = Reader::open_narrow(transport, server.address(), &room, Some(start.clone())).await;
    warm.until_sent_or_closed("warm").await;
    drop(warm);
    client.viewers_become(&room, 0).await;
    let after = if live { client.cursor(&room).await } else { start };
    let before = resident_kib(server.process_id());
    let mut stopped = Vec::new();
    for _ in 0..READERS {
        stopped.push(Reader::open_narrow(transport, server.address(), &room, Some(after.clone())).await);
    }
    client.viewers_become(&room, READERS).await;
    send(&mut users, &room, MESSAGES).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let grown = resident_kib(server.process_id()) - before;
    client.viewers_become(&room, READERS).await;
    (grown / READERS as f64).round()
}

/// Messages of 16 KiB each, from all users at once.
async fn send(users: &mut [User], room: &RoomKey, count: usize) {
    let each = count / users.len();
    let senders = users.iter_mut().map(|user| async move {
        for n in 0..each {
            user.send(room, &format!("{n}{}", "\u{1f980}".repeat(3_990))).await;
        }
    });
    join_all(senders).await;
}

/// The resident memory of a process.
fn resident_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
