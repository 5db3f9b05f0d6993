//! Two servers on one Redis act as one.

use std::time::Duration;

use crate::support::client::{RoomKey, User};
use crate::support::eventually;
use crate::support::load::Senders;
use crate::support::redis_server::RedisServer;
use crate::support::room_view::{assert_events_match, read_with_failover};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn messages_sent_on_one_server_are_delivered_by_the_other() {
    let redis = RedisServer::start().await;
    let servers = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    let room = servers[0].client().create_room().await;
    let start = servers[1].client().cursor(&room).await;
    let mut readers = Vec::new();
    for server in &servers {
        readers.push(Subscriber::open(server.address(), &room, Some(start.clone())).await);
    }
    // A user alternates between the servers with the same token.
    let mut ada = User::of(servers[0].client());
    for n in 0..10 {
        ada.client = servers[n % 2].client();
        ada.send(&room, &n.to_string()).await;
        for reader in &mut readers {
            assert_eq!(reader.event().await["message"]["text"], n.to_string());
        }
    }
    let senders = [0, 1].map(|n| Senders::start(vec![servers[n].client()], &room, 4));
    for senders in senders {
        senders.wait_for_accepted(50).await;
        senders.stop().await;
    }
    ada.send(&room, "the end").await;
    let texts = servers[0].client().texts(&room).await;
    for reader in &mut readers {
        assert_events_match(&reader.until_sent("the end").await, &texts, 10);
    }
}

#[tokio::test]
async fn readers_of_a_killed_server_resume_on_the_other_and_miss_nothing() {
    readers_resume_on_the_other(async |server| server.kill()).await;
}

#[tokio::test]
async fn readers_of_a_stopped_server_resume_on_the_other_and_miss_nothing() {
    readers_resume_on_the_other(async |server| assert!(server.terminate().await.success())).await;
}

async fn readers_resume_on_the_other(end: impl AsyncFnOnce(&mut Server)) {
    let redis = RedisServer::start().await;
    let (mut ended, other) = (Server::on_redis(&redis.url()), Server::on_redis(&redis.url()));
    let room = other.client().create_room().await;
    let start = other.client().cursor(&room).await;
    let addresses = vec![ended.address().to_owned(), other.address().to_owned()];
    let readers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(read_with_failover(addresses.clone(), room.clone(), start.clone(), "the end".to_owned())))
        .collect();
    ended.client().wait_for_viewers(&room, 4).await;
    let settled = Senders::start(vec![other.client()], &room, 3);
    let moving = Senders::start(vec![ended.client(), other.client()], &room, 3);
    moving.wait_for_accepted(60).await;
    end(&mut ended).await;
    moving.wait_for_accepted(60).await;
    settled.wait_for_accepted(60).await;
    let mut accepted = settled.stop().await;
    accepted.extend(moving.stop().await);
    User::of(other.client()).send(&room, "the end").await;

    let texts = other.client().texts(&room).await;
    for reader in readers {
        assert_events_match(&reader.await.expect("a reader that did not fail"), &texts, 0);
    }
    accepted.push("the end".to_owned());
    let mut sent: Vec<_> = texts.into_iter().flatten().collect();
    accepted.sort();
    sent.sort();
    assert_eq!(sent, accepted, "every accepted message is stored once, even if it was repeated on another server");
}

/// Time after which another server no longer counts the viewers of a killed one.
const VIEWER_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn viewers_of_both_servers_are_counted_and_those_of_a_killed_server_expire() {
    let redis = RedisServer::start().await;
    let (mut killed, other) = (Server::on_redis(&redis.url()), Server::on_redis(&redis.url()));
    let client = other.client();
    let room = client.create_room().await;
    let _there = [open(&killed, &room).await, open(&killed, &room).await];
    let here = open(&other, &room).await;
    client.wait_for_viewers(&room, 3).await;
    killed.client().wait_for_viewers(&room, 3).await;
    killed.kill();
    let expired = eventually("the viewers are no longer counted", async || {
        client.query_room(&room, "viewerCount").await["viewerCount"] == 1
    });
    tokio::time::timeout(VIEWER_TIMEOUT, expired).await.expect("viewers that expire in time");
    drop(here);
    client.wait_for_viewers(&room, 0).await;
}

#[tokio::test]
async fn viewers_of_a_stopped_server_are_removed_at_once() {
    let redis = RedisServer::start().await;
    let (mut stopped, other) = (Server::on_redis(&redis.url()), Server::on_redis(&redis.url()));
    let room = other.client().create_room().await;
    let _there = open(&stopped, &room).await;
    other.client().wait_for_viewers(&room, 1).await;
    assert!(stopped.terminate().await.success());
    let count = other.client().query_room(&room, "viewerCount").await;
    assert_eq!(count["viewerCount"], 0, "a stopping server removes its viewers");
}

async fn open(server: &Server, room: &RoomKey) -> Subscriber {
    Subscriber::open(server.address(), room, None).await
}
