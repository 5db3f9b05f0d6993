//! Clocks that are set forward and back by hours while everything runs: rooms neither die early nor live for ever, tokens
//! go on, and what is limited stays limited for as long as it should.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::{Said, Subscriber};
use crate::support::wrong_clock::WrongClock;

/// Hours off, one after the other.
const STEPS: [i32; 4] = [5, -5, 30, 0];

fn server_by(clock: &WrongClock, settings: &[(&str, &str)]) -> Server {
    let clock = clock.environment();
    let clock: Vec<_> = clock.iter().map(|(name, value)| (*name, &**value)).collect();
    Server::with(&[&*clock, settings].concat())
}

async fn is_gone(client: &Client, room: &RoomKey) -> bool {
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
    client.request(query, serde_json::json!({ "id": room.id, "code": room.code })).await["data"]["room"].is_null()
}

/// Servers over each store that go by this clock, as their Redis does, with these limits in force.
async fn limited_on_each_store(clock: &WrongClock, limits: &[(&str, &str)]) -> [(Server, Option<RedisServer>); 2] {
    let redis = RedisServer::start_by_clock(clock).await;
    let limits = [limits, &[("RATE_LIMITS", "on")]].concat();
    let url = redis.url();
    let on_redis = server_by(clock, &[&*limits, &[("REDIS_URL", &url)]].concat());
    [(server_by(clock, &limits), None), (on_redis, Some(redis))]
}

/// How long to wait, as a refusal tells it; `None` of any other answer.
fn wait(answer: &serde_json::Value) -> Option<Duration> {
    (error_code(answer) == "RATE_LIMITED").then(|| {
        let millis = answer["errors"][0]["extensions"]["retryAfterMs"].as_u64();
        Duration::from_millis(millis.unwrap_or_else(|| panic!("no retryAfterMs in {answer}")))
    })
}

/// Neither store goes by the clock of the server while it runs: a room of ten seconds lasts ten seconds.
#[tokio::test]
async fn a_server_whose_clock_is_set_keeps_its_rooms_for_as_long_as_it_said() {
    let redis = RedisServer::start().await;
    let on_each = [None, Some(redis.url())].into_iter().map(async |redis| {
        let clock = WrongClock::new();
        let store: Vec<_> = redis.iter().map(|url| ("REDIS_URL", &**url)).collect();
        let server = server_by(&clock, &[&[("ROOM_TTL", "10s")], &*store].concat());
        let client = server.client();
        let room = client.create_room().await;
        let made = std::time::Instant::now();
        let mut reader = Subscriber::open(server.address(), &room, None).await;
        let ends = client.of_room(&room, "expiresAt").await;
        let mut ada = User::of(client.clone());
        for hours in STEPS {
            clock.set_off_by_hours(hours);
            ada.send(&room, &format!("{hours}")).await;
            assert_eq!(client.of_room(&room, "expiresAt").await, ends, "{hours} hours off");
        }
        clock.set_off_by_hours(-48);
        reader.events(STEPS.len()).await;
        assert!(matches!(reader.next().await, Said::Complete));
        eventually("the room is gone", async || is_gone(&client, &room).await).await;
        assert!(made.elapsed() > Duration::from_secs(9), "the room ended after {:?}", made.elapsed());
    });
    join_all(on_each).await;
}

#[tokio::test]
async fn a_redis_whose_clock_is_set_within_the_life_of_a_room_changes_nothing_for_its_users() {
    let clock = WrongClock::new();
    let redis = RedisServer::start_by_clock(&clock).await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    let ends = server.client().of_room(&crowd.room, "expiresAt").await;
    for hours in [5, -5, 20, 0] {
        clock.set_off_by_hours(hours);
        crowd.wait_for_accepted(20).await;
        assert_eq!(server.client().of_room(&crowd.room, "expiresAt").await, ends, "{hours} hours off");
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_redis_whose_clock_is_set_beyond_the_end_of_a_room_ends_it_for_all_at_once() {
    let clock = WrongClock::new();
    let redis = RedisServer::start_by_clock(&clock).await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    User::of(client.clone()).send(&room, "before").await;
    clock.set_off_by_hours(30);
    assert!(is_gone(&client, &room).await);
    assert_eq!(Subscriber::open(server.address(), &room, None).await.refusal().await, "ROOM_NOT_FOUND");
    Crowd::start(server.address()).await.settle_and_check().await;
    // And what was made meanwhile outlives the way back.
    let room = client.create_room().await;
    clock.set_off_by_hours(0);
    User::of(client.clone()).send(&room, "after").await;
    Crowd::start(server.address()).await.settle_and_check().await;
}

#[tokio::test]
async fn an_embedded_store_that_is_opened_by_another_clock_keeps_its_rooms_within_their_life() {
    let clock = WrongClock::new();
    let mut server = server_by(&clock, &[]);
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

/// Rates are counted by a clock that nobody sets.
#[tokio::test]
async fn a_clock_that_is_set_changes_nothing_about_how_often_is_too_often() {
    let clock = WrongClock::new();
    let limits = [("RATE_SENDS_PER_USER", "1/h:1"), ("RATE_ROOMS_PER_ADDRESS", "1/h:1")];
    let create = "mutation { createRoom { room { id } } }";
    let hour = Duration::from_secs(3_600);
    for (server, _redis) in &limited_on_each_store(&clock, &limits).await {
        clock.set_off_by_hours(0);
        let client = server.client();
        let room = client.create_room().await;
        let mut ada = User::with_own_token(client.clone());
        ada.send(&room, "the one of this hour").await;
        for hours in [5, -5, 20, 0] {
            clock.set_off_by_hours(hours);
            let sent = ada.try_send(&room, "one more").await.expect("an answer");
            let created = client.request(create, serde_json::Value::Null).await;
            for answer in [sent, created] {
                let wait = wait(&answer).unwrap_or_else(|| panic!("{hours} hours off: {answer}"));
                assert!(wait <= hour && wait > hour / 2, "{hours} hours off: {wait:?}");
            }
        }
    }
}

/// A clock set back frees nobody, and keeps nobody out for longer than the longest lock-out, which is an hour.
#[tokio::test]
async fn a_clock_that_is_set_neither_frees_who_is_locked_out_nor_locks_out_for_ever() {
    let clock = WrongClock::new();
    let limits = [("WRONG_CODES_PER_ADDRESS", "2:10m"), ("WRONG_TOKENS_PER_USER", "2:10m")];
    for (server, redis) in &limited_on_each_store(&clock, &limits).await {
        clock.set_off_by_hours(0);
        let client = server.client();
        let room = client.create_room().await;
        let mut ada = User::with_own_token(client.clone());
        ada.send(&room, "known").await;
        let stranger = Client::from_address(client.url().to_owned(), std::net::Ipv4Addr::new(127, 9, 9, 9).into());
        let guess = async || {
            let query = "query($id: ID!) { room(id: $id, code: \"wrong\") { id } }";
            stranger.request(query, serde_json::json!({ "id": room.id })).await
        };
        let forge = async || {
            let mut forger = User { id: ada.id.clone(), ..User::with_own_token(client.clone()) };
            forger.try_send(&room, "forged").await.expect("an answer")
        };
        for _ in 0..2 {
            assert_eq!(error_code(&guess().await), "ROOM_CODE_INVALID");
            assert_eq!(error_code(&forge().await), "TOKEN_INVALID");
        }
        for hours in [0, -5, -20] {
            clock.set_off_by_hours(hours);
            for answer in [guess().await, forge().await] {
                let wait = wait(&answer).unwrap_or_else(|| panic!("{hours} hours off: {answer}"));
                assert!(wait <= Duration::from_secs(3_600), "{hours} hours off: {wait:?}");
            }
        }
        // Past the end of every lock-out by Redis's clock; the embedded store has one that nobody sets. Servers believe what they
        // remember of a lock-out for a second.
        clock.set_off_by_hours(5);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for answer in [guess().await, forge().await] {
            assert_eq!(wait(&answer).is_none(), redis.is_some(), "{answer}");
        }
        clock.set_off_by_hours(0);
        ada.send(&room, "still known").await;
    }
}
