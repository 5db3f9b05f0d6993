//! Clocks set forward and back by hours at run time: rooms live exactly as long as promised, tokens stay valid, and rate limits
//! and lockouts last as long as they should.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::{Received, Subscriber};
use crate::support::wrong_clock::WrongClock;

/// Clock offsets in hours, one after the other.
const STEPS: [i32; 4] = [5, -5, 30, 0];

fn server_with_clock(clock: &WrongClock, settings: &[(&str, &str)]) -> Server {
    let clock = clock.environment();
    let clock: Vec<_> = clock.iter().map(|(name, value)| (*name, &**value)).collect();
    Server::with(&[&*clock, settings].concat())
}

async fn is_gone(client: &Client, room: &RoomKey) -> bool {
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
    client.request(query, serde_json::json!({ "id": room.id, "code": room.code })).await["data"]["room"].is_null()
}

/// Servers on each store with this clock, which Redis has too, and with these limits.
async fn limited_servers(clock: &WrongClock, limits: &[(&str, &str)]) -> [(Server, Option<RedisServer>); 2] {
    let redis = RedisServer::start_with_clock(clock).await;
    let limits = [limits, &[("RATE_LIMITS", "on")]].concat();
    let url = redis.url();
    let on_redis = server_with_clock(clock, &[&*limits, &[("REDIS_URL", &url)]].concat());
    [(server_with_clock(clock, &limits), None), (on_redis, Some(redis))]
}

/// The `retryAfterMs` of a `RATE_LIMITED` error; `None` for any other response.
fn retry_after(response: &serde_json::Value) -> Option<Duration> {
    (error_code(response) == "RATE_LIMITED").then(|| {
        let millis = response["errors"][0]["extensions"]["retryAfterMs"].as_u64();
        Duration::from_millis(millis.unwrap_or_else(|| panic!("no retryAfterMs in {response}")))
    })
}

/// Neither store uses the wall clock of the server at run time: a room of ten seconds lasts ten seconds.
#[tokio::test]
async fn rooms_keep_their_lifetime_when_the_server_clock_changes() {
    let redis = RedisServer::start().await;
    let on_each = [None, Some(redis.url())].into_iter().map(async |redis| {
        let clock = WrongClock::new();
        let store: Vec<_> = redis.iter().map(|url| ("REDIS_URL", &**url)).collect();
        let server = server_with_clock(&clock, &[&[("ROOM_TTL", "10s")], &*store].concat());
        let client = server.client();
        let before = std::time::Instant::now();
        let room = client.create_room().await;
        let mut reader = Subscriber::open(server.address(), &room, None).await;
        let ends = client.query_room(&room, "expiresAt").await;
        let mut ada = User::of(client.clone());
        for hours in STEPS {
            clock.set_off_by_hours(hours);
            ada.send(&room, &format!("{hours}")).await;
            assert_eq!(client.query_room(&room, "expiresAt").await, ends, "{hours} hours off");
        }
        clock.set_off_by_hours(-48);
        reader.events(STEPS.len()).await;
        assert!(matches!(reader.next().await, Received::Complete));
        eventually("the room is gone", async || is_gone(&client, &room).await).await;
        assert!(before.elapsed() > Duration::from_secs(9), "the room ended after {:?}", before.elapsed());
    });
    join_all(on_each).await;
}

#[tokio::test]
async fn redis_clock_change_within_a_rooms_lifetime_changes_nothing() {
    let clock = WrongClock::new();
    let redis = RedisServer::start_with_clock(&clock).await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    let ends = server.client().query_room(&crowd.room, "expiresAt").await;
    for hours in [5, -5, 20, 0] {
        clock.set_off_by_hours(hours);
        crowd.wait_for_accepted(20).await;
        assert_eq!(server.client().query_room(&crowd.room, "expiresAt").await, ends, "{hours} hours off");
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn redis_clock_set_past_the_end_of_a_room_ends_it_everywhere() {
    let clock = WrongClock::new();
    let redis = RedisServer::start_with_clock(&clock).await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    User::of(client.clone()).send(&room, "before").await;
    clock.set_off_by_hours(30);
    assert!(is_gone(&client, &room).await);
    assert_eq!(Subscriber::open(server.address(), &room, None).await.refusal().await, "ROOM_NOT_FOUND");
    Crowd::start(server.address()).await.settle_and_check().await;
    // A room created meanwhile survives when the clock is set back.
    let room = client.create_room().await;
    clock.set_off_by_hours(0);
    User::of(client.clone()).send(&room, "after").await;
    Crowd::start(server.address()).await.settle_and_check().await;
}

#[tokio::test]
async fn embedded_store_opened_with_a_changed_clock_keeps_its_live_rooms() {
    let clock = WrongClock::new();
    let mut server = server_with_clock(&clock, &[]);
    let room = server.client().create_room().await;
    let mut ada = User::of(server.client());
    ada.send(&room, "before").await;
    for (hours, lives) in [(5, true), (-5, true), (20, true), (30, false)] {
        assert!(server.terminate().await.success());
        clock.set_off_by_hours(hours);
        server.start();
        assert_eq!(is_gone(&server.client(), &room).await, !lives, "{hours} hours off");
        if lives {
            ada.client = server.client();
            ada.send(&room, &format!("{hours}")).await;
        }
    }
    Crowd::start(server.address()).await.settle_and_check().await;
}

/// Rate limits use the monotonic clock.
#[tokio::test]
async fn clock_changes_do_not_affect_rate_limits() {
    let clock = WrongClock::new();
    let limits = [("RATE_SENDS_PER_USER", "1/h:1"), ("RATE_ROOMS_PER_ADDRESS", "1/h:1")];
    let create = "mutation { createRoom { room { id } } }";
    let hour = Duration::from_secs(3_600);
    for (server, _redis) in &limited_servers(&clock, &limits).await {
        clock.set_off_by_hours(0);
        let client = server.client();
        let room = client.create_room().await;
        let mut ada = User::with_own_token(client.clone());
        ada.send(&room, "the only one in this hour").await;
        for hours in [5, -5, 20, 0] {
            clock.set_off_by_hours(hours);
            let sent = ada.try_send(&room, "one more").await.expect("a response");
            let created = client.request(create, serde_json::Value::Null).await;
            for response in [sent, created] {
                let wait = retry_after(&response).unwrap_or_else(|| panic!("{hours} hours off: {response}"));
                assert!(wait <= hour && wait > hour / 2, "{hours} hours off: {wait:?}");
            }
        }
    }
}

/// A clock set back neither lifts a lockout nor makes it longer than the longest one, which is an hour.
#[tokio::test]
async fn clock_changes_neither_lift_nor_prolong_lockouts() {
    let clock = WrongClock::new();
    let limits = [("WRONG_CODES_PER_ADDRESS", "2:10m"), ("WRONG_TOKENS_PER_USER", "2:10m")];
    for (server, redis) in &limited_servers(&clock, &limits).await {
        clock.set_off_by_hours(0);
        let client = server.client();
        let room = client.create_room().await;
        let mut ada = User::with_own_token(client.clone());
        ada.send(&room, "known").await;
        let attacker = Client::from_address(client.url().to_owned(), std::net::Ipv4Addr::new(127, 9, 9, 9).into());
        let guess_code = async || {
            let query = "query($id: ID!) { room(id: $id, code: \"wrong\") { id } }";
            attacker.request(query, serde_json::json!({ "id": room.id })).await
        };
        let forge_token = async || {
            let mut forger = User { id: ada.id.clone(), ..User::with_own_token(client.clone()) };
            forger.try_send(&room, "forged").await.expect("a response")
        };
        for _ in 0..2 {
            assert_eq!(error_code(&guess_code().await), "ROOM_CODE_INVALID");
            assert_eq!(error_code(&forge_token().await), "TOKEN_INVALID");
        }
        for hours in [0, -5, -20] {
            clock.set_off_by_hours(hours);
            for response in [guess_code().await, forge_token().await] {
                let wait = retry_after(&response).unwrap_or_else(|| panic!("{hours} hours off: {response}"));
                assert!(wait <= Duration::from_secs(3_600), "{hours} hours off: {wait:?}");
            }
        }
        // By the clock of Redis every lockout has ended; the embedded store uses a monotonic clock. Servers cache a lockout for a
        // second.
        clock.set_off_by_hours(5);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for response in [guess_code().await, forge_token().await] {
            assert_eq!(retry_after(&response).is_none(), redis.is_some(), "{response}");
        }
        clock.set_off_by_hours(0);
        ada.send(&room, "still known").await;
    }
}
