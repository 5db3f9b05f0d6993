//! A full or read-only disk: no false acknowledgements, and recovery without help once there is space.

use tokio::time::timeout;

use super::{ERROR_TIMEOUT, wait_until_ready};

use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::load::Senders;
use crate::support::room_view::assert_events_match;
use crate::support::server::{self, Server};
use crate::support::small_disk::SmallDisk;
use crate::support::subscriber::Subscriber;

/// A subscriber that reads the whole log of a room.
async fn subscribe(server: &Server, room: &RoomKey) -> Subscriber {
    let start = server.client().cursor(room).await;
    Subscriber::open(server.address(), room, Some(start)).await
}

/// Asserts that the room has every acknowledged text, and no text twice.
fn assert_contains(texts: &[Option<String>], acknowledged: &[String]) {
    let mut stored: Vec<_> = texts.iter().flatten().collect();
    stored.sort();
    let before = stored.len();
    stored.dedup();
    assert_eq!(stored.len(), before, "a text is stored twice");
    for text in acknowledged {
        assert!(stored.binary_search(&text).is_ok(), "{text} was acknowledged but is lost");
    }
}

#[tokio::test]
async fn full_disk_never_causes_a_false_acknowledgement_and_recovers() {
    let disk = SmallDisk::of_megabytes(8);
    let data = disk.path().join("data");
    let mut server = Server::with(&[("DATA_DIR", data.to_str().expect("text"))]);
    let client = server.client();
    let room = client.create_room().await;
    let mut subscriber = subscribe(&server, &room).await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;

    let mut acknowledged = send_until_rejected(&disk, &mut ada, &room).await;
    eventually("the full disk is reported", async || {
        disk.fill();
        server.status("/readyz").await == 503
    })
    .await;
    assert_eq!(server.status("/healthz").await, 200);
    // Existing messages can still be read.
    assert_contains(&client.texts(&room).await, &acknowledged);

    disk.free();
    wait_until_ready(&server).await;
    ada.send(&room, "the end").await;
    acknowledged.push("the end".to_owned());
    let texts = client.texts(&room).await;
    assert_contains(&texts, &acknowledged);
    assert_eq!(texts.len(), acknowledged.len() + 1, "a rejected message was stored");
    assert_events_match(&subscriber.until_sent("the end").await, &texts, 0);

    server.kill();
    server.start();
    assert_eq!(server.client().texts(&room).await, texts);
    server.assert_no_panic();
}

#[tokio::test]
async fn concurrent_senders_on_a_filling_disk_get_correct_acknowledgements() {
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
        acknowledged.extend(send_until_rejected(&disk, &mut ada, &room).await);
        server.kill();
        disk.free();
        server.start();
        let mut stored: Vec<_> = server.client().texts(&room).await.into_iter().flatten().collect();
        stored.sort();
        acknowledged.sort();
        assert_eq!(stored, acknowledged, "exactly the acknowledged messages are stored");
    }
    server.assert_no_panic();
}

/// Keeps the disk full and sends until twenty sends have failed, each with `UNAVAILABLE`. Until then the store may use free space in
/// its own files. Returns the acknowledged texts.
async fn send_until_rejected(disk: &SmallDisk, ada: &mut User, room: &RoomKey) -> Vec<String> {
    let (mut acknowledged, mut rejected) = (Vec::new(), 0);
    while rejected < 20 {
        disk.fill();
        let text = format!("message {} {}", acknowledged.len(), "x".repeat(3_000));
        let response =
            timeout(ERROR_TIMEOUT, ada.try_send(room, &text)).await.expect("a response in time").expect("a response");
        if response.get("errors").is_some() {
            assert_eq!(error_code(&response), "UNAVAILABLE");
            rejected += 1;
        } else {
            acknowledged.push(text);
        }
    }
    acknowledged
}

#[tokio::test]
async fn unwritable_data_directory_is_named_at_start() {
    let disk = SmallDisk::read_only();
    let directory = disk.path().to_str().expect("text");
    let error = server::failure(&[("DATA_DIR", directory)]);
    assert!(error.contains(directory) && error.contains("cannot be written to"), "{error}");

    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    let error = server::failure(&[("DATA_DIR", path)]);
    assert!(error.contains(path) && error.contains("cannot be written to"), "{error}");
}

#[tokio::test]
async fn start_on_a_full_disk_fails_with_advice_and_harms_nothing() {
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
        let error = server::failure(&[("DATA_DIR", directory)]);
        assert!(error.contains(directory) && error.contains("disk is full"), "{error}");
        disk.free();
        server.start();
        assert_eq!(server.client().texts(&room).await.len(), 1);
    }
    ada.client = server.client();
    ada.send(&room, "after").await;
}
