//! Cost of holding sockets and delivering to them, on several nodes with one Redis and on one of them:
//!
//! ```sh
//! cargo bench --bench scenarios -- nodes
//! cargo bench --bench scenarios -- nodes --nodes 14 --sockets 1000000 --rooms 10000 --time 1m
//! ```
//!
//! Shows whether the cost per node grows with the number of nodes. Every room has sockets on all nodes, so each event goes to
//! every node. The run fails unless every event reaches every socket once.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::audience::Audience;
use crate::contestants::NODE;
use crate::process_stats::{cpu_micros, resident_kib, rounded};
use crate::protocol::Author;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

/// Largest number of messages on their way to readers.
const WINDOW: usize = 200;
/// Connections for all sends.
const CLIENTS: usize = 32;
/// Files of a process other than its sockets.
const OTHER_FILES: u64 = 5_000;
const SETTLING: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(5);
/// Time for the last deliveries.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size of the simulation.
#[derive(Parser)]
#[command(no_binary_name = true)]
pub struct Size {
    /// Nodes on one Redis. One node with its share of the sockets is measured first.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=250 * 250))]
    nodes: u64,
    /// Subscribed sockets on all nodes.
    #[arg(long, default_value_t = 50_000)]
    sockets: usize,
    #[arg(long, default_value_t = 500)]
    rooms: usize,
    /// Time without messages, and again with messages at full speed.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    time: Duration,
}

impl Size {
    /// Open files that each process needs.
    pub fn files(&self) -> u64 {
        self.sockets as u64 / self.nodes + OTHER_FILES
    }

    /// The sockets of each room on each node, as even as possible.
    fn sockets_per_room(&self) -> Vec<usize> {
        let per_node = self.sockets / self.nodes as usize;
        (0..self.rooms).map(|room| per_node / self.rooms + usize::from(room < per_node % self.rooms)).collect()
    }
}

pub async fn run(size: &Size) -> Value {
    let one = simulate(1, size).await;
    if size.nodes == 1 {
        return json!({ "rooms": size.rooms, "one_node": one });
    }
    let all = simulate(size.nodes as usize, size).await;
    let ratio = |what: &str| {
        let of = |figures: &Value| figures[what].as_f64().unwrap_or(f64::NAN);
        rounded(of(&all) / of(&one), 2)
    };
    json!({
        "rooms": size.rooms, "one_node": one, "all_nodes": all,
        "all_to_one": {
            "kib_a_socket": ratio("kib_a_socket"), "cpu_us_a_delivery": ratio("cpu_us_a_delivery"),
            "idle_cpu_us_a_socket_and_second": ratio("idle_cpu_us_a_socket_and_second"),
        },
    })
}

async fn simulate(nodes: usize, size: &Size) -> Value {
    let redis = RedisServer::start().await;
    let servers: Vec<_> = (0..nodes).map(|_| Target::start_on(&NODE, &redis)).collect();
    let cpu = || servers.iter().map(|server| cpu_micros(server.process_id())).sum::<f64>();
    let redis_cpu = || cpu_micros(redis.process_id());
    let memory = || servers.iter().map(|server| resident_kib(server.process_id())).sum::<f64>();
    let mut rooms = create_rooms(&servers, size).await;
    let sockets = rooms.iter().map(|room| room.sockets).sum::<usize>() * nodes;
    let a_socket = |figure: f64| figure / sockets as f64;

    let (empty, opened_at, cpu_before) = (memory(), Instant::now(), cpu());
    let mut audiences = open_audiences(&servers, &rooms).await;
    for room in &rooms {
        servers[0].wait_for_followers([&room.author.room], room.sockets * nodes).await;
    }
    let (opening, opening_cpu) = (opened_at.elapsed(), cpu() - cpu_before);
    tokio::time::sleep(SETTLING).await;

    let (full, before) = (memory(), (cpu(), redis_cpu()));
    tokio::time::sleep(size.time).await;
    let idle = (cpu() - before.0, redis_cpu() - before.1);

    let (before, started) = ((cpu(), redis_cpu()), Instant::now());
    let (messages, deliveries) = send_for(size.time, &servers, &mut rooms, &mut audiences).await;
    let took = started.elapsed();
    let spent = (cpu() - before.0, redis_cpu() - before.1);
    assert_eq!(count_events(&mut audiences), deliveries as u64, "every event reaches every socket once");
    let seconds = size.time.as_secs_f64();
    json!({
        "nodes": nodes, "sockets": sockets, "opening_seconds": rounded(opening.as_secs_f64(), 1),
        "opening_cpu_us_a_socket": rounded(a_socket(opening_cpu), 1),
        "kib_a_socket": rounded(a_socket(full - empty), 2), "kib_a_node_without_sockets": rounded(empty / nodes as f64, 0),
        "idle_cpu_us_a_socket_and_second": rounded(a_socket(idle.0) / seconds, 2),
        "idle_redis_cpu_us_a_second": rounded(idle.1 / seconds, 0),
        "messages": messages, "deliveries": deliveries,
        "deliveries_a_second": rounded(deliveries as f64 / took.as_secs_f64(), 0),
        "cpu_us_a_delivery": rounded(spent.0 / deliveries as f64, 2),
        "redis_cpu_us_a_message": rounded(spent.1 / messages as f64, 1),
        "kib_a_socket_after": rounded(a_socket(memory() - empty), 2),
    })
}

struct Room {
    author: Author,
    /// On each node.
    sockets: usize,
    sent: usize,
}

async fn create_rooms(servers: &[Target], size: &Size) -> Vec<Room> {
    let mut client = servers[0].client().await;
    let mut rooms = Vec::new();
    for sockets in size.sockets_per_room() {
        let mut author = Author::of(&servers[0].new_room().await);
        author.send(NODE.protocol, &mut client, 0).await;
        rooms.push(Room { author, sockets, sent: 1 });
    }
    rooms
}

/// Opens the sockets of all rooms on every server, on one thread per server, because commands are answered one by one.
async fn open_audiences(servers: &[Target], rooms: &[Room]) -> Vec<Audience> {
    let keys: Vec<(RoomKey, usize)> = rooms.iter().map(|room| (room.author.room.clone(), room.sockets)).collect();
    let opening = servers.iter().enumerate().map(|(number, server)| {
        let (mut audience, keys) = (Audience::start(number, server.address()), keys.clone());
        tokio::task::spawn_blocking(move || {
            for (room, sockets) in &keys {
                audience.open_sockets(room, *sockets);
            }
            audience
        })
    });
    join_all(opening).await.into_iter().map(|audience| audience.expect("an audience")).collect()
}

/// Sends messages to all rooms in turn, through all servers, and waits for their deliveries. Returns the number of both.
async fn send_for(
    time: Duration,
    servers: &[Target],
    rooms: &mut [Room],
    audiences: &mut [Audience],
) -> (usize, usize) {
    let start = Instant::now();
    let average = rooms.iter().map(|room| room.sockets).sum::<usize>() * servers.len() / rooms.len();
    let (messages, deliveries, arrived) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let clients = join_all((0..CLIENTS).map(|number| servers[number % servers.len()].client())).await;
    let share = rooms.len().div_ceil(CLIENTS);
    let senders = clients.into_iter().zip(rooms.chunks_mut(share)).map(async |(mut client, rooms)| {
        for turn in 0.. {
            let room = &mut rooms[turn % share.min(rooms.len())];
            while deliveries.get() - arrived.get() > WINDOW * average {
                tokio::time::sleep(TICK).await;
            }
            if start.elapsed() > time {
                return;
            }
            deliveries.set(deliveries.get() + room.sockets * servers.len());
            room.author.send(NODE.protocol, &mut client, room.sent).await;
            room.sent += 1;
            messages.set(messages.get() + 1);
        }
    });
    let watching = async {
        while start.elapsed() < time || arrived.get() < deliveries.get() {
            assert!(start.elapsed() < time + PATIENCE, "{} of {} events arrived", arrived.get(), deliveries.get());
            tokio::time::sleep(TICK).await;
            arrived.set(count_events(audiences) as usize);
        }
    };
    tokio::join!(join_all(senders), watching);
    (messages.get(), deliveries.get())
}

fn count_events(audiences: &mut [Audience]) -> u64 {
    audiences.iter_mut().map(Audience::count_events).sum()
}
