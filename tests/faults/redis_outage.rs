//! Redis killed, frozen, emptied, with a changed password, or demoted to a replica.

use std::time::Duration;

use super::{assert_cannot_write, assert_unavailable, wait_until_ready};
use crate::support::client::{User, error_code};
use crate::support::crowd::Crowd;
use crate::support::redis_server::RedisServer;
use crate::support::server::{self, Server};
use crate::support::subscriber::{Received, Subscriber};

#[tokio::test]
async fn redis_killed_with_its_data_kept_recovers_without_lost_events() {
    let mut redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..2 {
        redis.kill();
        assert_cannot_write(&server, &crowd.room).await;
        assert_eq!(Subscriber::open(server.address(), &crowd.room, None).await.refusal().await, "UNAVAILABLE");
        redis.restart().await;
        wait_until_ready(&server).await;
        crowd.wait_for_accepted(20).await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn redis_that_lost_its_data_ends_its_rooms_and_serves_new_ones() {
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
    assert!(matches!(subscriber.next().await, Received::Complete));
    wait_until_ready(&server).await;
    let refused = ada.try_send(&room, "after").await.expect("a response");
    assert_eq!(error_code(&refused), "ROOM_NOT_FOUND");
    assert_eq!(Subscriber::open(server.address(), &room, subscriber.cursor).await.refusal().await, "ROOM_NOT_FOUND");
    Crowd::start(server.address()).await.settle_and_check().await;
}

#[tokio::test]
async fn redis_frozen_for_ten_seconds_is_reported_in_time_and_harms_nothing() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    // A frozen Redis later runs the commands that it was sent, so the content of this room is not checked.
    let other = server.client().create_room().await;
    redis.signal("STOP");
    let pause = tokio::time::sleep(Duration::from_secs(10));
    assert_cannot_write(&server, &other).await;
    pause.await;
    assert_unavailable(&mut User::of(server.client()), &other).await;
    redis.signal("CONT");
    wait_until_ready(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn server_on_a_replica_is_not_ready_until_the_replica_is_promoted() {
    let (primary, replica) = (RedisServer::start().await, RedisServer::start().await);
    let room = Server::on_redis(&primary.url()).client().create_room().await;
    replica.replicate(&primary.address()).await;
    let server = Server::on_redis(&replica.url());
    assert_cannot_write(&server, &room).await;
    assert!(server.client().texts(&room).await.is_empty(), "a replica can be read");

    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    wait_until_ready(&server).await;
    User::of(server.client()).send(&room, "promoted").await;
    let crowd = Crowd::start(server.address()).await;

    // Also under load, as when an orchestrator demotes a node and promotes it again.
    replica.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert_cannot_write(&server, &crowd.room).await;
    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    wait_until_ready(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn rejected_login_is_reported_at_start_without_the_password() {
    let mut redis = RedisServer::start_with_password("open-sesame").await;
    let address = redis.address();
    for wrong in [redis.url_without_password(), format!("redis://:open-barley@{address}/")] {
        let error = server::failure(&[("REDIS_URL", &wrong)]);
        assert!(
            error.contains(&address)
                && error.contains("it rejected the user or the password")
                && !error.contains("barley"),
            "{error}"
        );
    }
    redis.kill();
    let error = server::failure(&[("REDIS_URL", &redis.url()), ("REDIS_WAIT", "0")]);
    assert!(error.contains("Redis") && error.contains(&address) && !error.contains("open-sesame"), "{error}");
}

#[tokio::test]
async fn temporary_password_change_harms_nothing_and_is_not_logged() {
    let redis = RedisServer::start_with_password("open-sesame").await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    let mut admin = redis.connection().await;
    let mut run = async |words: &[&str]| {
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut admin).await.expect("a command that succeeds");
    };
    run(&["CONFIG", "SET", "requirepass", "open-barley"]).await;
    // Existing connections stay authenticated.
    crowd.wait_for_accepted(20).await;
    for kind in ["normal", "pubsub"] {
        run(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await;
    }
    assert_cannot_write(&server, &crowd.room).await;
    run(&["CONFIG", "SET", "requirepass", "open-sesame"]).await;
    wait_until_ready(&server).await;
    crowd.settle_and_check().await;
    let log = server.log();
    assert!(log.contains("WRONGPASS") && !log.contains("sesame") && !log.contains("barley"), "{log}");
}
