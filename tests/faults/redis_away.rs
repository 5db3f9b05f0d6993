//! A Redis that is gone for a while, frozen, emptied, locked or a replica.

use std::time::Duration;

use super::{assert_cannot_write, assert_unavailable, ready_again};
use crate::support::client::{User, error_code};
use crate::support::crowd::Crowd;
use crate::support::redis_server::RedisServer;
use crate::support::server::{self, Server};
use crate::support::subscriber::{Said, Subscriber};

#[tokio::test]
async fn a_redis_that_was_killed_and_kept_its_data_is_found_again_and_nobody_missed_anything() {
    let mut redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..2 {
        redis.kill();
        assert_cannot_write(&server, &crowd.room).await;
        assert_eq!(Subscriber::open(server.address(), &crowd.room, None).await.refusal().await, "UNAVAILABLE");
        redis.restart().await;
        ready_again(&server).await;
        crowd.wait_for_accepted(20).await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_redis_that_lost_everything_ends_its_rooms_and_serves_new_ones() {
    let mut redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut subscriber = Subscriber::open(server.address(), &room, Some(start)).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    assert_eq!(subscriber.event().await["message"]["text"], "before");

    redis.kill();
    redis.restart().await;
    assert!(matches!(subscriber.next().await, Said::Complete));
    ready_again(&server).await;
    let refused = ada.try_send(&room, "after").await.expect("an answer");
    assert_eq!(error_code(&refused), "ROOM_NOT_FOUND");
    assert_eq!(Subscriber::open(server.address(), &room, subscriber.cursor).await.refusal().await, "ROOM_NOT_FOUND");
    Crowd::start(server.address()).await.settle_and_check().await;
}

#[tokio::test]
async fn a_redis_that_hangs_for_ten_seconds_is_told_of_in_time_and_harms_nothing() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    // A Redis that hangs does what it was sent once it goes on, so nobody counts what is in this room.
    let other = server.client().create_room().await;
    redis.signal("STOP");
    let pause = tokio::time::sleep(Duration::from_secs(10));
    assert_cannot_write(&server, &other).await;
    pause.await;
    assert_unavailable(&mut User::of(server.client()), &other).await;
    redis.signal("CONT");
    ready_again(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_server_on_a_replica_is_not_ready_and_takes_nothing_until_the_replica_is_promoted() {
    let (primary, replica) = (RedisServer::start().await, RedisServer::start().await);
    let room = Server::on_redis(&primary.url()).client().create_room().await;
    replica.replicate(&primary.address()).await;
    let server = Server::on_redis(&replica.url());
    assert_cannot_write(&server, &room).await;
    assert!(server.client().texts(&room).await.is_empty(), "a replica can be read");

    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    ready_again(&server).await;
    User::of(server.client()).send(&room, "promoted").await;
    let crowd = Crowd::start(server.address()).await;

    // And under load, as when a cluster's manager demotes it and changes its mind.
    replica.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert_cannot_write(&server, &crowd.room).await;
    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    ready_again(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_redis_that_turns_the_server_away_at_its_start_is_named_without_the_password() {
    let mut redis = RedisServer::start_with_password("open-sesame").await;
    let address = redis.address();
    for wrong in [redis.url_without_password(), format!("redis://:open-barley@{address}/")] {
        let said = server::failure(&[("REDIS_URL", &wrong)]);
        assert!(
            said.contains(&address) && said.contains("it wants another user or password") && !said.contains("barley"),
            "{said}"
        );
    }
    redis.kill();
    let said = server::failure(&[("REDIS_URL", &redis.url()), ("REDIS_WAIT", "0")]);
    assert!(said.contains("Redis") && said.contains(&address) && !said.contains("open-sesame"), "{said}");
}

#[tokio::test]
async fn a_password_that_is_changed_for_a_while_harms_nothing_and_is_not_logged() {
    let redis = RedisServer::start_with_password("open-sesame").await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    let mut admin = redis.connection().await;
    let mut run = async |words: &[&str]| {
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut admin).await.expect("a command that succeeds");
    };
    run(&["CONFIG", "SET", "requirepass", "open-barley"]).await;
    // Who is in stays in.
    crowd.wait_for_accepted(20).await;
    for kind in ["normal", "pubsub"] {
        run(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await;
    }
    assert_cannot_write(&server, &crowd.room).await;
    run(&["CONFIG", "SET", "requirepass", "open-sesame"]).await;
    ready_again(&server).await;
    crowd.settle_and_check().await;
    let log = server.log();
    assert!(log.contains("WRONGPASS") && !log.contains("sesame") && !log.contains("barley"), "{log}");
}
