//! Corrupt files of the embedded store: a clear error, no false acknowledgement and no panic. After a crash with a torn write-ahead
//! log, everything before the tear is kept.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::json;

use super::{assert_cannot_write, wait_until_ready};
use crate::support::client::{RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::room_view::assert_events_match;
use crate::support::server::{self, Server};
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn moved_data_directory_rejects_writes_until_it_is_back() {
    let server = Server::embedded();
    let (data, aside) = (server.data(), server.data().with_file_name("aside"));
    let crowd = Crowd::start(server.address()).await;
    fs::rename(&data, &aside).expect("moved away");
    assert_cannot_write(&server, &crowd.room).await;
    // A copy of the database in its place is not used either.
    fs::create_dir(&data).expect("a directory");
    for file in ["livechat.db", "livechat.db-wal"] {
        fs::copy(aside.join(file), data.join(file)).expect("a copy");
    }
    assert_cannot_write(&server, &crowd.room).await;
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&aside, &data).expect("moved back");
    wait_until_ready(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn removed_data_directory_is_reported_and_never_written_again() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    fs::remove_dir_all(server.data()).expect("removed");
    assert_cannot_write(&server, &room).await;
    server.kill();
    assert!(server.log().contains("was moved, removed or replaced"), "{}", server.log());
    server.assert_no_panic();
    server.start();
    Crowd::start(server.address()).await.settle_and_check().await;
}

/// Overwrites the pages of a file from `first_page` on.
fn overwrite(file: &Path, first_page: u64) {
    const PAGE: u64 = 4_096;
    let file = File::options().write(true).open(file).expect("a file");
    let pages = file.metadata().expect("its size").len() / PAGE;
    assert!(pages > first_page + 1, "a file of {pages} pages is too small for this");
    for page in first_page..pages {
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("overwritten");
    }
}

/// A cleanly stopped server with a database of several pages.
async fn stopped_server() -> Server {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    let mut ada = User::of(server.client());
    for _ in 0..40 {
        ada.send(&room, &"x".repeat(3_000)).await;
    }
    assert!(server.terminate().await.success());
    server
}

#[tokio::test]
async fn corrupt_database_fails_the_start_with_advice() {
    let corruptions: [fn(&Path); 4] = [
        |database| overwrite(database, 0),
        |database| overwrite(database, 20),
        |database| File::options().write(true).open(database).and_then(|file| file.set_len(50_000)).expect("cut"),
        |database| fs::write(database, "not a database").expect("replaced"),
    ];
    for (number, corrupt) in corruptions.into_iter().enumerate() {
        let server = stopped_server().await;
        let database = server.data().join("livechat.db");
        corrupt(&database);
        let error = server::failure(&[("DATA_DIR", server.data().to_str().expect("text"))]);
        let has_path = error.contains(database.to_str().expect("text"));
        assert!(has_path && error.contains("restore a backup or move it away"), "corruption {number}: {error}");
        assert!(!error.contains("panicked"), "corruption {number}: {error}");
    }
}

#[tokio::test]
async fn corruption_under_a_running_server_never_causes_a_false_acknowledgement() {
    let mut server = stopped_server().await;
    server.start();
    let client = server.client();
    let room = client.create_room().await;
    overwrite(&server.data().join("livechat.db"), 1);
    let (mut acknowledged, mut rejected) = (Vec::new(), 0);
    for n in 0..200 {
        let text = format!("{n} {}", "x".repeat(3_000));
        let response = User::of(client.clone()).try_send(&room, &text).await.expect("a response");
        if response.get("errors").is_none() {
            acknowledged.push(Some(text));
        } else {
            assert!(["INTERNAL", "UNAVAILABLE"].contains(&&*error_code(&response)), "{response}");
            rejected += 1;
        }
    }
    println!("{} acknowledged, {rejected} rejected", acknowledged.len());
    // If the room can still be read, it has every acknowledged message.
    let page =
        "query($id: ID!, $code: String!) { room(id: $id, code: $code) { messages(first: 100) { nodes { text } } } }";
    let response = client.request(page, json!({ "id": room.id, "code": room.code })).await;
    if response.get("errors").is_some() {
        assert!(["INTERNAL", "UNAVAILABLE"].contains(&&*error_code(&response)), "{response}");
    } else {
        assert_eq!(client.texts(&room).await, acknowledged);
    }
    assert_eq!(server.status("/healthz").await, 200);
    server.assert_no_panic();
}

/// Sends this number of messages and kills the server. Returns the room and the cursors before and after each message.
async fn crashed_server(messages: usize) -> (Server, RoomKey, Vec<String>) {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    let (mut ada, mut cursors) = (User::of(server.client()), vec![server.client().cursor(&room).await]);
    for n in 0..messages {
        ada.send(&room, &format!("{n} {}", "x".repeat(500))).await;
        cursors.extend(ada.cursor.clone());
    }
    server.kill();
    (server, room, cursors)
}

#[tokio::test]
async fn torn_write_ahead_log_opens_with_everything_before_the_tear() {
    const MESSAGES: usize = 60;
    let tears: [fn(&File, u64); 3] = [
        |log, size| log.set_len(size - 1).expect("cut"),
        |log, size| log.set_len(size / 2 + 7).expect("cut"),
        |log, size| log.write_all_at(&[0xa5; 700], size - 2_000).expect("garbled"),
    ];
    for (number, tear) in tears.into_iter().enumerate() {
        let (mut server, room, cursors) = crashed_server(MESSAGES).await;
        let log = File::options().write(true).open(server.data().join("livechat.db-wal")).expect("the log");
        tear(&log, log.metadata().expect("its size").len());
        server.start();
        let client = server.client();
        let texts = client.texts(&room).await;
        println!("tear {number}: {} of {MESSAGES} are left", texts.len());
        assert!(!texts.is_empty() && texts.len() < MESSAGES, "tear {number} left {}", texts.len());
        for (n, text) in texts.iter().enumerate() {
            assert!(text.as_ref().is_some_and(|text| text.starts_with(&format!("{n} "))), "{text:?} is number {n}");
        }
        // Cursors behind the tear are invalid, also once there are new events in that place.
        let last = cursors.last().expect("a cursor");
        for _ in 0..2 {
            let code = Subscriber::open(server.address(), &room, Some(last.clone())).await.refusal().await;
            assert_eq!(code, "CURSOR_INVALID", "tear {number}");
            let mut ada = User::of(client.clone());
            for _ in texts.len()..MESSAGES {
                ada.send(&room, "new").await;
            }
        }
        let kept = cursors[texts.len()].clone();
        let mut reader = Subscriber::open(server.address(), &room, Some(kept)).await;
        let new_events = 2 * (MESSAGES - texts.len());
        assert_events_match(&reader.events(new_events).await, &client.texts(&room).await, texts.len());
        server.assert_no_panic();
    }
}
