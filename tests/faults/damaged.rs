//! Damage to the files of the embedded store: a clear error, no false acknowledgement, no panic; and after a crash,
//! everything up to where the write-ahead log is torn.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{assert_cannot_write, ready_again};
use crate::support::client::{RoomKey, User, error_code};
use crate::support::crowd::Crowd;
use crate::support::reader::assert_tell_the_room;
use crate::support::server::{self, Server};
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn a_data_directory_that_is_moved_away_takes_nothing_until_it_is_back() {
    let server = Server::embedded();
    let (data, aside) = (server.data(), server.data().with_file_name("aside"));
    let crowd = Crowd::start(server.address()).await;
    fs::rename(&data, &aside).expect("moved away");
    assert_cannot_write(&server, &crowd.room).await;
    // Nor is another database taken for it that lies there meanwhile.
    fs::create_dir(&data).expect("a directory");
    for file in ["livechat.db", "livechat.db-wal"] {
        fs::copy(aside.join(file), data.join(file)).expect("a copy");
    }
    assert_cannot_write(&server, &crowd.room).await;
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&aside, &data).expect("moved back");
    ready_again(&server).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn a_data_directory_that_is_removed_is_told_of_and_never_written_to_again() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    fs::remove_dir_all(server.data()).expect("removed");
    assert_cannot_write(&server, &room).await;
    assert!(server.log().contains("was moved, removed or replaced"), "{}", server.log());
    server.kill();
    assert!(!server.log().contains("panicked"), "{}", server.log());
    server.start();
    Crowd::start(server.address()).await.settle_and_check().await;
}

/// Writes nonsense over the pages of a file from one on.
fn overwrite(file: &Path, first_page: u64) {
    const PAGE: u64 = 4_096;
    let file = File::options().write(true).open(file).expect("a file");
    let pages = file.metadata().expect("its size").len() / PAGE;
    assert!(pages > first_page + 1, "a file of {pages} pages is too small for this");
    for page in first_page..pages {
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("nonsense");
    }
}

/// A server that was stopped in order, with a database of some pages.
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
async fn a_damaged_database_refuses_to_start_and_says_what_to_do() {
    let damages: [fn(&Path); 4] = [
        |database| overwrite(database, 0),
        |database| overwrite(database, 20),
        |database| File::options().write(true).open(database).and_then(|file| file.set_len(50_000)).expect("cut"),
        |database| fs::write(database, "something else altogether").expect("replaced"),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let server = stopped_server().await;
        let database = server.data().join("livechat.db");
        damage(&database);
        let said = server::failure(&[("DATA_DIR", server.data().to_str().expect("text"))]);
        let names_it = said.contains(database.to_str().expect("text"));
        assert!(names_it && said.contains("restore a backup or move it away"), "damage {number}: {said}");
        assert!(!said.contains("panicked"), "damage {number}: {said}");
    }
}

#[tokio::test]
async fn damage_under_a_running_server_is_an_error_and_never_an_acknowledgement() {
    let mut server = stopped_server().await;
    server.start();
    let client = server.client();
    let room = client.create_room().await;
    overwrite(&server.data().join("livechat.db"), 1);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for n in 0..200 {
        let text = format!("{n} {}", "x".repeat(3_000));
        let answer = User::of(client.clone()).try_send(&room, &text).await.expect("an answer");
        if answer.get("errors").is_none() {
            acknowledged.push(Some(text));
        } else {
            assert!(["INTERNAL", "UNAVAILABLE"].contains(&&*error_code(&answer)), "{answer}");
            refused += 1;
        }
    }
    println!("{} acknowledged, {refused} refused", acknowledged.len());
    if refused == 0 {
        assert_eq!(client.texts(&room).await, acknowledged);
    }
    assert_eq!(server.status("/healthz").await, 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Sends so many messages, each acknowledged, and kills the server.
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
async fn a_log_that_was_torn_in_a_crash_opens_again_with_everything_up_to_there() {
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
        // Readers who stand behind the tear are told so, also once there are new events in that place.
        let last = cursors.last().expect("a cursor");
        for _ in 0..2 {
            let refused = Subscriber::open(server.address(), &room, Some(last.clone())).await.refusal().await;
            assert_eq!(refused, "CURSOR_INVALID", "tear {number}");
            let mut ada = User::of(client.clone());
            for _ in texts.len()..MESSAGES {
                ada.send(&room, "anew").await;
            }
        }
        let kept = cursors[texts.len()].clone();
        let mut reader = Subscriber::open(server.address(), &room, Some(kept)).await;
        let anew = 2 * (MESSAGES - texts.len());
        assert_tell_the_room(&reader.events(anew).await, &client.texts(&room).await, texts.len());
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}
