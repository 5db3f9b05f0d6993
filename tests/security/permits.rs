//! Queued, locked-out and greedy clients leave operation permits to others.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::nodes::{outcome, wrong};
use crate::support::client::{Client, RoomKey, User};
use crate::support::http;
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// The delay of each call of the store.
const STORE_CALL: Duration = Duration::from_millis(100);

/// A server with few operation permits, and a proxy that delays its Redis.
async fn server_with_a_slow_store(permits: &str) -> (RedisServer, Proxy, Server) {
    let redis = RedisServer::start().await;
    let proxy = Proxy::to(&redis.address()).await;
    let url = format!("redis://{}/", proxy.address());
    let settings = [("REDIS_URL", &*url), ("REDIS_TIMEOUT", "5s"), ("RATE_LIMITS", "on"), ("MAX_OPERATIONS", permits)];
    let server = Server::with(&settings);
    (redis, proxy, server)
}

fn client_at(server: &Server, host: u8) -> Client {
    Client::from_address(server.url("/graphql"), [127, 1, 0, host].into())
}

async fn lock_out(client: &Client, room: &RoomKey) {
    for _ in 0..10 {
        assert_eq!(outcome(client, room, &wrong(room)).await, "ROOM_CODE_INVALID");
    }
    assert_eq!(outcome(client, room, &wrong(room)).await, "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_code_attempts_hold_no_operation_permits() {
    let (_redis, proxy, server) = server_with_a_slow_store("8").await;
    let creator = client_at(&server, 1);
    let room = creator.create_room().await;
    let mut user = User::of(creator.clone());
    user.send(&room, "before").await;
    proxy.delay(STORE_CALL);
    let (code, stranger) = (wrong(&room), client_at(&server, 2));
    let attempts = join_all((0..60).map(|_| outcome(&stranger, &room, &code)));
    let sends = async {
        tokio::time::sleep(STORE_CALL * 2).await;
        for n in 0..10 {
            user.send(&room, &format!("during {n}")).await;
            assert_eq!(outcome(&creator, &room, &room.code).await, "OK");
        }
    };
    let (attempts, ()) = tokio::join!(attempts, sends);
    assert!(attempts.iter().filter(|outcome| *outcome == "ROOM_CODE_INVALID").count() <= 10, "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_out_client_that_keeps_trying_holds_no_operation_permits() {
    let (_redis, proxy, server) = server_with_a_slow_store("8").await;
    let creator = client_at(&server, 1);
    let room = creator.create_room().await;
    let mut user = User::of(creator);
    user.send(&room, "before").await;
    let stranger = client_at(&server, 2);
    lock_out(&stranger, &room).await;
    proxy.delay(STORE_CALL);
    let code = wrong(&room);
    let attack = async {
        // 50 requests a second, without waiting for the responses.
        let mut pace = tokio::time::interval(STORE_CALL);
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                _ = pace.tick() => requests.extend((0..5).map(|_| outcome(&stranger, &room, &code))),
                Some(_) = requests.next() => {}
            }
        }
    };
    let sends = async {
        tokio::time::sleep(STORE_CALL * 5).await;
        for n in 0..20 {
            user.send(&room, &format!("during {n}")).await;
        }
    };
    tokio::select! {
        () = sends => {}
        () = attack => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_lockout_is_reported_without_store_calls() {
    for (server, _redis) in Server::on_each_store(&[("RATE_LIMITS", "on")]).await {
        let room = client_at(&server, 1).create_room().await;
        let stranger = client_at(&server, 2);
        lock_out(&stranger, &room).await;
        let calls = async || {
            let scrape = http::Client::of(&server.url("")).get("/metrics").await.body;
            let counts = scrape.lines().filter_map(|line| {
                let (series, count) = line.rsplit_once(' ')?;
                let call = series.strip_prefix("livechat_store_call_duration_seconds_count{call=\"")?;
                // The scrape itself pings the store.
                (!call.starts_with("ping")).then(|| count.parse::<u64>().expect("a count"))
            });
            counts.sum::<u64>()
        };
        let (before, start) = (calls().await, Instant::now());
        for _ in 0..100 {
            assert_eq!(outcome(&stranger, &room, &wrong(&room)).await, "RATE_LIMITED");
        }
        // The servers ask the store again once a second.
        let (store_calls, allowed) = (calls().await - before, 5 * (1 + start.elapsed().as_secs()));
        assert!(store_calls <= allowed, "{store_calls} calls of the store for 100 refusals in {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greedy_client_leaves_operation_permits_to_others() {
    let (_redis, proxy, server) = server_with_a_slow_store("8").await;
    let (greedy, modest) = (client_at(&server, 1), client_at(&server, 2));
    let (room, other) = (greedy.create_room().await, modest.create_room().await);
    proxy.delay(STORE_CALL * 2);
    let many = join_all((0..40).map(|_| outcome(&greedy, &room, &room.code)));
    let one = async {
        tokio::time::sleep(STORE_CALL).await;
        outcome(&modest, &other, &other.code).await
    };
    let (many, one) = tokio::join!(many, one);
    assert_eq!(one, "OK");
    let admitted = many.iter().filter(|outcome| *outcome != "OVERLOADED").count();
    assert!(admitted >= 6, "one client alone may have six of eight: {many:?}");
}
