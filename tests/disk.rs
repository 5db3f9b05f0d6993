//! What the embedded store leaves on the disk: nothing of what was deleted, and nothing of rooms that have ended.

use std::fs;
use std::path::Path;

use crate::support::client::{User, text};
use crate::support::eventually;
use crate::support::server::Server;

/// Whether any file below `directory` holds `needle`.
fn holds(directory: &Path, needle: &str) -> bool {
    let files = fs::read_dir(directory).expect("the data directory").map(|file| file.expect("a file").path());
    files
        .map(|file| fs::read(file).expect("a readable file"))
        .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

fn size(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).expect("the data directory").map(|file| file.expect("a file"));
    files.map(|file| file.metadata().expect("its size").len()).sum()
}

#[tokio::test]
async fn text_that_was_deleted_or_replaced_leaves_the_disk() {
    let server = Server::embedded();
    let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
    let deleted = ada.send(&room, "the-text-that-is-deleted").await;
    let edited = ada.send(&room, "the-text-that-is-replaced").await;
    ada.send(&room, "the-text-that-stays").await;
    for needle in ["the-text-that-is-deleted", "the-text-that-is-replaced", "the-text-that-stays"] {
        assert!(holds(&server.data(), needle), "this test would not find a text that is there");
    }
    ada.delete(&room, &text(&deleted["id"])).await;
    ada.edit(&room, &text(&edited["id"]), "something else").await;
    eventually("what was deleted is gone from the disk", || async {
        !holds(&server.data(), "the-text-that-is-deleted") && !holds(&server.data(), "the-text-that-is-replaced")
    })
    .await;
    assert!(holds(&server.data(), "the-text-that-stays"));
}

#[tokio::test]
async fn rooms_that_have_ended_give_their_space_back() {
    let server = Server::with(&[("ROOM_TTL", "10s")]);
    let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
    let long = format!("the-text-of-a-room-that-ends {}", "x".repeat(3_900));
    for _ in 0..60 {
        ada.send(&room, &long).await;
    }
    assert!(holds(&server.data(), "the-text-of-a-room-that-ends") && size(&server.data()) > 240_000);
    eventually("the room is gone from the disk", || async {
        !holds(&server.data(), "the-text-of-a-room-that-ends") && size(&server.data()) < 150_000
    })
    .await;
}
