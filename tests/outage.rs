//! Redis away, frozen or emptied, a full disk: errors while it lasts, and everything by itself when it is over.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::load::Senders;
use crate::support::reader::assert_tell_the_room;
use crate::support::redis_server::RedisServer;
use crate::support::server::{self, Server};
use crate::support::small_disk::SmallDisk;
use crate::support::subscriber::{Said, Subscriber};

/// A store that is away is told of within so much.
const TOLD: Duration = Duration::from_secs(2);

/// What the server says to a send while the store is away.
async fn assert_unavailable(ada: &mut User, room: &RoomKey) {
    let answer = timeout(TOLD, ada.try_send(room, "into the void")).await.expect("an answer in time");
    assert_eq!(error_code(&answer.expect("an answer")), "UNAVAILABLE");
}

/// The probes while the store is away.
async fn assert_alive_but_not_ready(server: &Server) {
    let ready = timeout(TOLD, server.status("/readyz")).await.expect("an answer in time");
    assert_eq!((ready, server.status("/healthz").await), (503, 200));
}

async fn ready_again(server: &Server) {
    eventually("the server is ready again", async || server.status("/readyz").await == 200).await;
}

/// A reader of the whole room.
async fn reader(server: &Server, room: &RoomKey) -> Subscriber {
    let start = server.client().cursor(room).await;
    Subscriber::open(server.address(), room, Some(start)).await
}

/// What was acknowledged is in the room, and each of it once.
fn assert_holds(texts: &[Option<String>], acknowledged: &[String]) {
    let mut held: Vec<_> = texts.iter().flatten().collect();
    held.sort();
    let before = held.len();
    held.dedup();
    assert_eq!(held.len(), before, "something is there twice");
    for text in acknowledged {
        assert!(held.binary_search(&text).is_ok(), "{text} was acknowledged and is lost");
    }
}

#[tokio::test]
async fn a_redis_that_was_away_is_found_again_and_nobody_missed_anything() {
    let mut redis = RedisServer::start_durable().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = reader(&server, &room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    let senders = Senders::start(vec![client.clone()], &room, 4);
    senders.accept(20).await;

    redis.kill();
    assert_unavailable(&mut ada, &room).await;
    assert_alive_but_not_ready(&server).await;
    assert_eq!(client.code("mutation { createRoom { room { id } } }", Value::Null).await, "UNAVAILABLE");
    assert_eq!(Subscriber::open(server.address(), &room, None).await.refusal().await, "UNAVAILABLE");

    redis.restart().await;
    ready_again(&server).await;
    senders.accept(20).await;
    let acknowledged = senders.stop().await;
    ada.send(&room, "the end").await;
    let texts = client.texts(&room).await;
    assert_holds(&texts, &acknowledged);
    assert_tell_the_room(&subscriber.until_sent("the end").await, &texts, 0);
}

#[tokio::test]
async fn readers_whose_announcements_are_cut_off_again_and_again_miss_nothing() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = reader(&server, &room).await;
    let senders = Senders::start(vec![client.clone()], &room, 4);
    let mut connection = redis.connection().await;
    let mut cuts = 0;
    while cuts < 10 {
        senders.accept(5).await;
        let mut cut = redis::cmd("CLIENT");
        cuts += cut.arg("KILL").arg("TYPE").arg("pubsub").query_async::<u32>(&mut connection).await.expect("an answer");
    }
    let acknowledged = senders.stop().await;
    User::of(client.clone()).send(&room, "the end").await;
    let texts = client.texts(&room).await;
    assert_holds(&texts, &acknowledged);
    assert_tell_the_room(&subscriber.until_sent("the end").await, &texts, 0);
}

#[tokio::test]
async fn a_redis_that_hangs_is_told_of_in_time_and_harms_nothing() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = reader(&server, &room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    let senders = Senders::start(vec![client.clone()], &room, 4);
    senders.accept(20).await;

    redis.signal("STOP");
    assert_unavailable(&mut ada, &room).await;
    assert_alive_but_not_ready(&server).await;
    assert_unavailable(&mut ada, &room).await;
    redis.signal("CONT");

    ready_again(&server).await;
    senders.accept(20).await;
    let acknowledged = senders.stop().await;
    ada.send(&room, "the end").await;
    let texts = client.texts(&room).await;
    assert_holds(&texts, &acknowledged);
    assert_tell_the_room(&subscriber.until_sent("the end").await, &texts, 0);
}

#[tokio::test]
async fn a_redis_that_lost_everything_ends_its_rooms_and_serves_new_ones() {
    let mut redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = reader(&server, &room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    assert_eq!(subscriber.event().await["message"]["text"], "before");

    redis.kill();
    redis.restart().await;
    assert!(matches!(subscriber.next().await, Said::Complete));
    ready_again(&server).await;
    let refused = ada.try_send(&room, "after").await.expect("an answer");
    assert_eq!(error_code(&refused), "ROOM_NOT_FOUND");
    let next = client.create_room().await;
    let mut subscriber = reader(&server, &next).await;
    User::of(client.clone()).send(&next, "anew").await;
    assert_eq!(subscriber.event().await["message"]["text"], "anew");
}

#[tokio::test]
async fn a_full_disk_is_never_an_acknowledgement_and_a_free_one_is_used_again() {
    let disk = SmallDisk::of_megabytes(8);
    let data = disk.path().join("data");
    let mut server = Server::with(&[("DATA_DIR", data.to_str().expect("text"))]);
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = reader(&server, &room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;

    let mut acknowledged = refused_twenty_times(&disk, &mut ada, &room).await;
    eventually("the full disk is told of", async || {
        disk.fill();
        server.status("/readyz").await == 503
    })
    .await;
    assert_eq!(server.status("/healthz").await, 200);
    // What is there can still be read.
    assert_holds(&client.texts(&room).await, &acknowledged);

    disk.free();
    ready_again(&server).await;
    ada.send(&room, "the end").await;
    acknowledged.push("the end".to_owned());
    let texts = client.texts(&room).await;
    assert_holds(&texts, &acknowledged);
    assert_eq!(texts.len(), acknowledged.len() + 1, "nothing was stored that was refused");
    assert_tell_the_room(&subscriber.until_sent("the end").await, &texts, 0);

    server.kill();
    server.start();
    assert_eq!(server.client().texts(&room).await, texts);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn many_who_send_into_a_disk_that_fills_up_are_told_the_truth() {
    let disk = SmallDisk::of_megabytes(8);
    let data = disk.path().join("data");
    let mut server = Server::with(&[("DATA_DIR", data.to_str().expect("text"))]);
    let room = server.client().create_room().await;
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        let senders = Senders::start(vec![server.client()], &room, 40);
        senders.accept(80).await;
        eventually("the disk is full", async || {
            disk.fill();
            server.status("/readyz").await == 503
        })
        .await;
        disk.free();
        senders.accept(20).await;
        acknowledged.extend(senders.stop().await);
        let mut ada = User::of(server.client());
        acknowledged.extend(refused_twenty_times(&disk, &mut ada, &room).await);
        server.kill();
        disk.free();
        server.start();
        let mut held: Vec<_> = server.client().texts(&room).await.into_iter().flatten().collect();
        held.sort();
        acknowledged.sort();
        assert_eq!(held, acknowledged, "what was acknowledged is all there is");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Keeps the disk full and sends until that was refused twenty times, as it must be with UNAVAILABLE. Until then the
/// store may find some room in its own files; the texts that were acknowledged.
async fn refused_twenty_times(disk: &SmallDisk, ada: &mut User, room: &RoomKey) -> Vec<String> {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    while refused < 20 {
        disk.fill();
        let text = format!("message {} {}", acknowledged.len(), "x".repeat(3_000));
        let answer = timeout(TOLD, ada.try_send(room, &text)).await.expect("an answer in time").expect("an answer");
        if answer.get("errors").is_some() {
            assert_eq!(error_code(&answer), "UNAVAILABLE");
            refused += 1;
        } else {
            acknowledged.push(text);
        }
    }
    acknowledged
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_to_is_named_at_the_start() {
    let disk = SmallDisk::read_only();
    let directory = disk.path().to_str().expect("text");
    let said = server::failure(&[("DATA_DIR", directory)]);
    assert!(said.contains(directory) && said.contains("cannot be written to"), "{said}");

    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    let said = server::failure(&[("DATA_DIR", path)]);
    assert!(said.contains(path) && said.contains("cannot be written to"), "{said}");
}

#[tokio::test]
async fn a_redis_that_is_not_there_at_the_start_is_named_without_its_password() {
    let mut redis = RedisServer::start_with_password("open-sesame").await;
    redis.kill();
    let said = server::failure(&[("REDIS_URL", &redis.url())]);
    let address = redis.url_without_password().replace("redis://", "").replace('/', "");
    assert!(said.contains("Redis") && said.contains(&address) && !said.contains("open-sesame"), "{said}");
}

#[tokio::test]
async fn a_start_on_a_full_disk_fails_with_a_sentence_and_harms_nothing() {
    let disk = SmallDisk::of_megabytes(8);
    let data = disk.path().join("data");
    let directory = data.to_str().expect("text");
    let mut server = Server::with(&[("DATA_DIR", directory)]);
    let room = server.client().create_room().await;
    let mut ada = User::of(server.client());
    ada.send(&room, "before").await;
    for kill in [true, false] {
        if kill {
            server.kill();
        } else {
            assert!(server.terminate().await.success());
        }
        disk.fill();
        let said = server::failure(&[("DATA_DIR", directory)]);
        assert!(said.contains(directory) && said.contains("disk is full"), "{said}");
        disk.free();
        server.start();
        assert_eq!(server.client().texts(&room).await.len(), 1);
    }
    ada.client = server.client();
    ada.send(&room, "after").await;
}
