//! Cost of holding sockets and delivering to them: 50,000 sockets on four nodes with one Redis, and 12,500 on one node.
//!
//! Shows whether the cost per node grows with the number of nodes. Every room has sockets on all nodes, so each event goes to
//! every node.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audience::Audience;
use crate::process_stats::{cpu_micros, resident_kib, rounded};
use crate::sender::Sender;
use crate::support::client::RoomKey;
use crate::support::redis_server::RedisServer;
use crate::target::Target;

const SOCKETS_PER_NODE: usize = 12_500;
const ROOMS: usize = 500;
const MESSAGES: usize = 2_000;
/// Largest number of outstanding deliveries.
const WINDOW: u64 = 20_000;
const IDLE: Duration = Duration::from_secs(20);
const SETTLING: Duration = Duration::from_secs(2);

pub async fn run() -> Value {
    let (one, four) = (simulate(1).await, simulate(4).await);
    let ratio = |what: &str| {
        let of = |figures: &Value| figures[what].as_f64().unwrap_or(f64::NAN);
        rounded(of(&four) / of(&one), 2)
    };
    json!({
        "rooms": ROOMS, "sockets_a_node": SOCKETS_PER_NODE, "one_node": one, "four_nodes": four,
        "four_to_one": {
            "kib_a_socket": ratio("kib_a_socket"), "cpu_us_a_delivery": ratio("cpu_us_a_delivery"),
            "idle_cpu_us_a_socket_and_second": ratio("idle_cpu_us_a_socket_and_second"),
        },
    })
}

async fn simulate(nodes: usize) -> Value {
    let redis = RedisServer::start().await;
    let servers: Vec<_> = (0..nodes).map(|_| Target::on(&redis)).collect();
    let cpu = || servers.iter().map(|server| cpu_micros(server.process_id())).sum::<f64>();
    let memory = || servers.iter().map(|server| resident_kib(server.process_id())).sum::<f64>();
    let (mut rooms, mut senders): (Vec<RoomKey>, Vec<Sender>) = Default::default();
    for i in 0..ROOMS {
        let room = servers[0].new_room().await;
        let mut sender = servers[i % nodes].sender(&room, 0).await;
        sender.send(0).await;
        rooms.push(room);
        senders.push(sender);
    }
    let (empty, opened_at, cpu_before) = (memory(), Instant::now(), cpu());

    // One thread per audience, because commands are answered one by one.
    let sockets = nodes * SOCKETS_PER_NODE;
    let audiences: Vec<_> = servers.iter().map(|server| Audience::start(server.address())).collect();
    let opening: Vec<_> = audiences
        .into_iter()
        .map(|mut audience| {
            let rooms = rooms.clone();
            tokio::task::spawn_blocking(move || {
                for room in &rooms {
                    audience.open_sockets(room, SOCKETS_PER_NODE / ROOMS);
                }
                audience
            })
        })
        .collect();
    let mut audiences = Vec::new();
    for audience in opening {
        audiences.push(audience.await.expect("an audience"));
    }
    for room in &rooms {
        servers[0].wait_for_followers(room, sockets / ROOMS).await;
    }
    let (opening, opening_cpu) = (opened_at.elapsed(), cpu() - cpu_before);
    tokio::time::sleep(SETTLING).await;

    let (full, idle_from) = (memory(), (cpu(), cpu_micros(redis.process_id())));
    tokio::time::sleep(IDLE).await;
    let idle = (cpu() - idle_from.0, cpu_micros(redis.process_id()) - idle_from.1);

    let (before, started) = ((cpu(), cpu_micros(redis.process_id())), Instant::now());
    let each = (sockets / ROOMS) as u64;
    for number in 0..MESSAGES {
        senders[number % ROOMS].send(number + 1).await;
        let sent = (number as u64 + 1) * each;
        while number % 50 == 49 && sent.saturating_sub(count_events(&mut audiences)) > WINDOW {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let deliveries = MESSAGES as u64 * each;
    let deadline = Instant::now() + Duration::from_secs(60);
    while count_events(&mut audiences) < deliveries {
        assert!(Instant::now() < deadline, "{} of {deliveries} deliveries arrived", count_events(&mut audiences));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    let spent = (cpu() - before.0, cpu_micros(redis.process_id()) - before.1);
    let received = count_events(&mut audiences);
    assert_eq!(received, deliveries, "every event reaches every socket once");
    let (idle_seconds, a_socket) = (IDLE.as_secs_f64(), |figure: f64| figure / sockets as f64);
    json!({
        "nodes": nodes, "sockets": sockets, "opening_seconds": rounded(opening.as_secs_f64(), 1),
        "opening_cpu_us_a_socket": rounded(a_socket(opening_cpu), 1),
        "kib_a_socket": rounded(a_socket(full - empty), 2), "kib_a_node_without_sockets": rounded(empty / nodes as f64, 0),
        "idle_cpu_us_a_socket_and_second": rounded(a_socket(idle.0) / idle_seconds, 2),
        "idle_redis_cpu_us_a_second": rounded(idle.1 / idle_seconds, 0),
        "messages": MESSAGES, "deliveries": deliveries, "deliveries_a_second": rounded(deliveries as f64 / took.as_secs_f64(), 0),
        "cpu_us_a_delivery": rounded(spent.0 / deliveries as f64, 2),
        "redis_cpu_us_a_message": rounded(spent.1 / MESSAGES as f64, 1),
        "kib_a_socket_after": rounded(a_socket(memory() - empty), 2),
    })
}

fn count_events(audiences: &mut [Audience]) -> u64 {
    audiences.iter_mut().map(Audience::count_events).sum()
}
