//! What an idle subscribed socket costs in the server's memory, at 5,000 sockets in 100 rooms, beside the floor. Run by hand:
//!
//! ```sh
//! cargo bench --bench memory
//! ```
//!
//! One line of JSON a server: once all are subscribed, and once each has also been sent something.

mod floor;
#[allow(dead_code)]
mod line;
#[allow(dead_code)]
mod meter;
mod subscription;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::Duration;

use floor::Floor;
use line::Line;
use meter::{resident_kib, rounded};
use serde_json::json;
use subscription::{Own, subscribe};
use support::client::User;
use support::server::Server;

const ROOMS: usize = 100;
const SOCKETS_A_ROOM: usize = 50;

fn main() {
    // A file for every socket, here and in the servers, which inherit the limit.
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit that can be raised");
    floor::serve_if_asked();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        of_server().await;
        of_floor().await;
    });
}

async fn of_server() {
    let server = Server::embedded();
    let client = server.client();
    let mut user = User::of(client.clone());
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let room = client.create_room().await;
        user.send(&room, "the first one").await;
        rooms.push(room);
    }
    let before = settled(server.process_id()).await;
    let mut lines = Vec::new();
    for i in 0..ROOMS * SOCKETS_A_ROOM {
        let mut line = Line::open(server.address(), "/graphql").await;
        subscribe(&mut line, &rooms[i % ROOMS], Own::default()).await;
        lines.push(line);
    }
    for room in &rooms {
        client.viewers_become(room, SOCKETS_A_ROOM).await;
    }
    let idle = settled(server.process_id()).await;
    for room in &rooms {
        user.send(room, "one for everybody in it").await;
    }
    for line in &mut lines {
        assert!(line.hear().await.contains("one for everybody in it"));
    }
    report("livechat", before, idle, settled(server.process_id()).await);
}

async fn of_floor() {
    let floor = Floor::start();
    let before = settled(floor.process_id()).await;
    let mut lines = Vec::new();
    for _ in 0..ROOMS * SOCKETS_A_ROOM {
        lines.push(Line::open(floor.address(), "/").await);
    }
    let idle = settled(floor.process_id()).await;
    let posted = reqwest::Client::new().post(format!("http://{}/", floor.address())).body("one for everybody").send();
    assert!(posted.await.expect("an answer").status().is_success());
    for line in &mut lines {
        line.hear().await;
    }
    report("floor", before, idle, settled(floor.process_id()).await);
}

/// The memory of a process that has had time to finish what it was doing.
async fn settled(process: u32) -> f64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    resident_kib(process)
}

fn report(server: &str, before: f64, idle: f64, after_a_message: f64) {
    let sockets = ROOMS * SOCKETS_A_ROOM;
    let each = |now: f64| rounded((now - before) / sockets as f64, 1);
    let line = json!({
        "bench": "memory", "server": server, "sockets": sockets, "rooms": ROOMS, "kib_before": before,
        "kib_a_socket": each(idle), "kib_a_socket_after_a_message": each(after_a_message),
    });
    println!("{line}");
}
