//! Deleted text and expired rooms leave the disk of the embedded store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::client::{Client, RoomKey, User, error_code, text};
use crate::support::load::Senders;
use crate::support::server::Server;
use crate::support::{TIMEOUT, eventually};

/// Whether any file in `directory` contains `needle`.
fn contains(directory: &Path, needle: &str) -> bool {
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
async fn deleted_and_replaced_text_leaves_the_disk() {
    let server = Server::embedded();
    let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
    let deleted = ada.send(&room, "the-text-that-is-deleted").await;
    let edited = ada.send(&room, "the-text-that-is-replaced").await;
    ada.send(&room, "the-text-that-stays").await;
    for needle in ["the-text-that-is-deleted", "the-text-that-is-replaced", "the-text-that-stays"] {
        assert!(contains(&server.data(), needle), "this test does not find a stored text");
    }
    ada.delete(&room, &text(&deleted["id"])).await;
    ada.edit(&room, &text(&edited["id"]), "something else").await;
    eventually("the deleted text leaves the disk", || async {
        !contains(&server.data(), "the-text-that-is-deleted") && !contains(&server.data(), "the-text-that-is-replaced")
    })
    .await;
    assert!(contains(&server.data(), "the-text-that-stays"));
}

/// Bounds the wait for deleted text to leave the disk. It takes seconds, also on a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn expired_rooms_release_their_space() {
    let server = Server::with(&[("ROOM_TTL", "10s")]);
    let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
    let long = format!("the-text-of-an-expired-room {}", "x".repeat(3_900));
    for _ in 0..60 {
        ada.send(&room, &long).await;
    }
    assert!(contains(&server.data(), "the-text-of-an-expired-room") && size(&server.data()) > 240_000);
    eventually("the room leaves the disk", || async {
        !contains(&server.data(), "the-text-of-an-expired-room") && size(&server.data()) < 150_000
    })
    .await;
}

/// Waits until no file has this text. Pauses between two looks, which take long.
async fn wait_until_gone(server: &Server, text: &str) {
    let start = Instant::now();
    while contains(&server.data(), text) {
        assert!(start.elapsed() < GONE_WITHIN, "deleted text is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("deleted text left after {:?}", start.elapsed());
}

/// A connection like that of a backup or a shell, in the middle of a read transaction.
fn outside_reader(server: &Server) -> Connection {
    let connection = Connection::open(server.data().join("livechat.db")).expect("the database");
    connection.execute_batch("BEGIN").expect("a transaction");
    let rooms: u32 = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0)).expect("a count");
    assert!(rooms > 0);
    connection
}

#[tokio::test]
async fn an_outside_reader_blocks_no_change_and_deleted_text_leaves_soon_after_it() {
    let server = Server::embedded();
    let (client, room) = (server.client(), server.client().create_room().await);
    let mut ada = User::of(client.clone());
    let deleted = text(&ada.send(&room, "the-text-that-is-deleted").await["id"]);
    let edited = text(&ada.send(&room, "the-text-that-is-replaced").await["id"]);
    let reader = outside_reader(&server);
    ada.delete(&room, &deleted).await;
    ada.edit(&room, &edited, "something else").await;
    // Longer than any single attempt of the server, with new text to remove all the time. Each change must succeed.
    let (start, mut changes) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(10) || changes < 30 {
        let sent = text(&ada.send(&room, "the-text-of-a-message").await["id"]);
        ada.edit(&room, &sent, "the-text-of-a-message, edited").await;
        ada.delete(&room, &sent).await;
        changes += 3;
    }
    println!("{changes} changes during the read");
    assert!(
        contains(&server.data(), "the-text-that-is-deleted"),
        "the text left the disk while a reader needed it, so this test proves nothing"
    );
    drop(reader);
    wait_until_gone(&server, "the-text-that-is").await;
}

#[tokio::test]
async fn deleted_text_leaves_the_disk_under_load() {
    let server = Server::embedded();
    let (client, room) = (server.client(), server.client().create_room().await);
    let mut ada = User::of(client.clone());
    let load = Senders::start(vec![client.clone()], &client.create_room().await, 8);
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (client, room) = (client.clone(), room.clone());
            tokio::spawn(async move {
                loop {
                    client.texts(&room).await;
                }
            })
        })
        .collect();
    load.wait_for_accepted(50).await;
    let deleted = text(&ada.send(&room, "the-text-that-is-deleted").await["id"]);
    load.wait_for_accepted(50).await;
    ada.delete(&room, &deleted).await;
    wait_until_gone(&server, "the-text-that-is-deleted").await;
    load.wait_for_accepted(50).await;
    load.stop().await;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The marks (see [`chat_at_random`]) of all texts in the files of `directory`.
fn marks_in(directory: &Path) -> BTreeSet<String> {
    const LENGTH: usize = 16;
    let files = fs::read_dir(directory).expect("the data directory").map(|file| file.expect("a file").path());
    let read = files.map(|file| fs::read(file).expect("a readable file"));
    let marks = |bytes: Vec<u8>| {
        let windows = bytes.windows(LENGTH).filter(|window| window.starts_with(b"[mark ") && window.ends_with(b"]"));
        windows.map(|mark| String::from_utf8_lossy(mark).into_owned()).collect::<Vec<_>>()
    };
    read.flat_map(marks).collect()
}

/// Sends, edits and deletes as one user, with texts of all lengths that begin with a unique mark. Returns the marks of the
/// remaining texts.
async fn chat_at_random(client: Client, room: RoomKey, user: usize, changes: usize) -> Vec<String> {
    const LENGTHS: [usize; 8] = [3, 20, 50, 100, 300, 900, 1_500, 3_000];
    let mut author = User::of(client);
    let mut live: Vec<(String, String)> = Vec::new();
    for change in 0..changes {
        let mark = format!("[mark {user:03}.{change:05}]");
        let new_text = format!("{mark}{}", "x".repeat(LENGTHS[rand::random_range(0..LENGTHS.len())]));
        match rand::random_range(0..10) {
            0..5 => {
                let message = author.send(&room, &new_text).await;
                live.push((text(&message["id"]), mark));
            }
            5..8 if !live.is_empty() => {
                let index = rand::random_range(0..live.len());
                author.edit(&room, &live[index].0, &new_text).await;
                live[index].1 = mark;
            }
            _ if !live.is_empty() => {
                let (message, _) = live.swap_remove(rand::random_range(0..live.len()));
                author.delete(&room, &message).await;
            }
            _ => {}
        }
    }
    live.into_iter().map(|(_, mark)| mark).collect()
}

/// Lets five users chat at random in each of five rooms. Returns the marks of the remaining texts.
async fn five_rooms_at_random(server: &Server) -> BTreeSet<String> {
    let mut users = tokio::task::JoinSet::new();
    for room in 0..5 {
        let room_key = server.client().create_room().await;
        for user in 0..5 {
            users.spawn(chat_at_random(server.client(), room_key.clone(), room * 5 + user, 240));
        }
    }
    users.join_all().await.into_iter().flatten().collect()
}

/// Waits until the texts with these marks are the only ones on the disk.
async fn wait_for_only_on_disk(server: &Server, live: &BTreeSet<String>) {
    let start = Instant::now();
    loop {
        let found = marks_in(&server.data());
        assert!(found.is_superset(live), "this test does not find a stored text");
        let left: Vec<_> = found.difference(live).collect();
        if left.is_empty() {
            break;
        }
        assert!(start.elapsed() < GONE_WITHIN, "{} deleted texts are still there: {left:?}", left.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("only the {} remaining texts are left after {:?}", live.len(), start.elapsed());
}

#[tokio::test]
async fn moved_rows_leave_no_copy_of_deleted_text() {
    let server = Server::embedded();
    let live = five_rooms_at_random(&server).await;
    wait_for_only_on_disk(&server, &live).await;
}

#[tokio::test]
async fn copies_of_deleted_text_left_by_a_killed_server_are_removed_at_the_next_start() {
    let mut server = Server::embedded();
    let live = five_rooms_at_random(&server).await;
    server.kill();
    server.start();
    wait_for_only_on_disk(&server, &live).await;
}

#[tokio::test]
async fn an_outside_writer_makes_writes_fail_only_while_it_writes() {
    let server = Server::embedded();
    let (client, room) = (server.client(), server.client().create_room().await);
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    let outside = Connection::open(server.data().join("livechat.db")).expect("the database");
    outside.execute_batch("BEGIN EXCLUSIVE").expect("a transaction");
    let answer = ada.try_send(&room, "meanwhile").await;
    assert_eq!(error_code(&answer.expect("an answer")), "UNAVAILABLE");
    assert_eq!(client.texts(&room).await.len(), 1, "reads succeed");
    outside.execute_batch("ROLLBACK").expect("a rollback");
    let start = Instant::now();
    while ada.try_send(&room, "after").await.expect("an answer").get("errors").is_some() {
        assert!(start.elapsed() < TIMEOUT, "sends are still refused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Rebuilding the whole database is such a write.
    outside.execute_batch("VACUUM").expect("a rebuilt database");
    ada.send(&room, "after the rebuild").await;
    let texts = client.texts(&room).await;
    assert_eq!((texts.first(), texts.last()), (Some(&Some("before".into())), Some(&Some("after the rebuild".into()))));
}

/// Adds an expired room with this many messages of 16 kB, each deleted, to the database of a stopped server.
fn add_expired_room(server: &Server, messages: u32) {
    let database = Connection::open(server.data().join("livechat.db")).expect("the database");
    database
        .execute_batch(&format!(
            "PRAGMA journal_size_limit = 0; BEGIN;
             INSERT INTO room (key, id, code, created_at, expires_at) VALUES (1000, randomblob(16), '000000', 0, 1);
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {messages} - 1)
             INSERT INTO message (id, seq, tag, revision, created_at, author, display_name, text, client_id)
             SELECT 1000 << 28 | n, n + 1, n, n + 1, 0, 'somebody-somewhere', 'Somebody', hex(zeroblob(8000)), hex(randomblob(8))
             FROM n;
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {messages} - 1)
             INSERT INTO change (id, kind, message, at, tag, sent, deleted) SELECT 1000 << 28 | {messages} + n, 2, 1000 << 28 | n, 0, n, {messages}, n + 1 FROM n;
             INSERT INTO chatter (room, ordinal, user, display_name) VALUES (1000, 0, 'somebody-somewhere', 'Somebody');
             COMMIT;"
        ))
        .expect("a room");
}

#[tokio::test]
async fn a_large_expired_room_releases_its_space_between_the_writes_of_others() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    assert!(server.terminate().await.success());
    add_expired_room(&server, 1_600);
    let before = size(&server.data());
    assert!(before > 25_000_000, "{before} bytes");
    server.start();
    let mut ada = User::of(server.client());
    let mut changes = 0;
    let start = Instant::now();
    while size(&server.data()) > 1_500_000 {
        ada.send(&room, "meanwhile").await;
        changes += 1;
        assert!(start.elapsed() < GONE_WITHIN, "{} bytes are left", size(&server.data()));
    }
    println!("{before} bytes released in {:?}, {changes} changes meanwhile", start.elapsed());
    assert_eq!(server.client().texts(&room).await.len(), changes);
}

#[tokio::test]
async fn a_database_rebuilt_without_auto_vacuum_releases_space_too() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    User::of(server.client()).send(&room, "still there").await;
    assert!(server.terminate().await.success());
    let file = server.data().join("livechat.db");
    Connection::open(&file)
        .and_then(|database| database.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM;"))
        .expect("a rebuilt database");
    add_expired_room(&server, 200);
    assert!(size(&server.data()) > 3_000_000);
    server.start();
    eventually("the space is released", async || size(&server.data()) < 1_000_000).await;
    assert_eq!(server.client().texts(&room).await, [Some("still there".to_owned())]);
}
