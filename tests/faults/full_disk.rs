//! A full disk, or one that cannot be written to: never a false acknowledgement, and everything by itself once there is
//! room.

use tokio::time::timeout;

use super::{TOLD, ready_again};

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::load::Senders;
use crate::support::reader::assert_tell_the_room;
use crate::support::server::{self, Server};
use crate::support::small_disk::SmallDisk;
use crate::support::subscriber::Subscriber;

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
        senders.wait_for_accepted(80).await;
        eventually("the disk is full", async || {
            disk.fill();
            server.status("/readyz").await == 503
        })
        .await;
        disk.free();
        senders.wait_for_accepted(20).await;
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
