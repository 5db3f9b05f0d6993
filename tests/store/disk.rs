//! What the embedded store leaves on the disk: nothing of what was deleted, and nothing of rooms that have ended.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::client::{Client, RoomKey, User, error_code, text};
use crate::support::eventually;
use crate::support::load::Senders;
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

/// What is deleted leaves the disk so long after the last reader that could need it.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// Another process's connection, as a backup or a shell has it, in the middle of reading.
fn outside_reader(server: &Server) -> Connection {
    let connection = Connection::open(server.data().join("livechat.db")).expect("the database");
    connection.execute_batch("BEGIN").expect("a transaction");
    let rooms: u32 = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0)).expect("a reading");
    assert!(rooms > 0);
    connection
}

#[tokio::test]
async fn a_reader_from_outside_holds_up_no_change_and_deleted_text_goes_soon_after_it() {
    let server = Server::embedded();
    let (client, room) = (server.client(), server.client().create_room().await);
    let mut ada = User::of(client.clone());
    let deleted = text(&ada.send(&room, "the-text-that-is-deleted").await["id"]);
    let edited = text(&ada.send(&room, "the-text-that-is-replaced").await["id"]);
    let reader = outside_reader(&server);
    ada.delete(&room, &deleted).await;
    ada.edit(&room, &edited, "something else").await;
    // Longer than the server tries anything once, with more to be cleared away all the time. Each change must succeed.
    let (start, mut changes) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(10) {
        let sent = text(&ada.send(&room, "the-text-of-a-message").await["id"]);
        ada.edit(&room, &sent, "the-text-of-a-message, edited").await;
        ada.delete(&room, &sent).await;
        changes += 3;
    }
    println!("{changes} changes beside a reader");
    assert!(changes >= 30, "only {changes} changes beside a reader");
    assert!(holds(&server.data(), "the-text-that-is-deleted"), "the reader needs it, so this test would prove nothing");
    drop(reader);
    let left = Instant::now();
    while holds(&server.data(), "the-text-that-is") {
        assert!(left.elapsed() < GONE_WITHIN, "deleted text is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("gone after {:?}", left.elapsed());
}

#[tokio::test]
async fn deleted_text_leaves_the_disk_while_much_is_read_and_written() {
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
    load.accept(50).await;
    let deleted = text(&ada.send(&room, "the-text-that-is-deleted").await["id"]);
    load.accept(50).await;
    ada.delete(&room, &deleted).await;
    let start = Instant::now();
    while holds(&server.data(), "the-text-that-is-deleted") {
        assert!(start.elapsed() < GONE_WITHIN, "deleted text is still there");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    load.accept(50).await;
    load.stop().await;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The marks that texts begin with in [`chat_at_random`], found anywhere below `directory`.
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

/// A user sends, edits and deletes, with texts of all lengths: the marks of the texts that are still there in the end.
async fn chat_at_random(client: Client, room: RoomKey, user: usize, changes: usize) -> Vec<String> {
    const LENGTHS: [usize; 8] = [3, 20, 50, 100, 300, 900, 1_500, 3_000];
    let mut user_of_room = User::of(client);
    let mut live: Vec<(String, String)> = Vec::new();
    for change in 0..changes {
        let mark = format!("[mark {user:03}.{change:05}]");
        let new_text = format!("{mark}{}", "x".repeat(LENGTHS[rand::random_range(0..LENGTHS.len())]));
        match rand::random_range(0..10) {
            0..5 => {
                let message = user_of_room.send(&room, &new_text).await;
                live.push((text(&message["id"]), mark));
            }
            5..8 if !live.is_empty() => {
                let place = rand::random_range(0..live.len());
                user_of_room.edit(&room, &live[place].0, &new_text).await;
                live[place].1 = mark;
            }
            _ if !live.is_empty() => {
                let (message, _) = live.swap_remove(rand::random_range(0..live.len()));
                user_of_room.delete(&room, &message).await;
            }
            _ => {}
        }
    }
    live.into_iter().map(|(_, mark)| mark).collect()
}

/// Five users chat at random in each of five rooms: the marks of the texts that are still there.
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

/// Soon, the texts with these marks are the only ones on the disk.
async fn assert_only_on_disk(server: &Server, live: &BTreeSet<String>) {
    let start = Instant::now();
    loop {
        let found = marks_in(&server.data());
        assert!(found.is_superset(live), "this test would not find a text that is there");
        let left: Vec<_> = found.difference(live).collect();
        if left.is_empty() {
            break;
        }
        assert!(start.elapsed() < GONE_WITHIN, "{} of the texts that are gone are still there: {left:?}", left.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("{} texts alone are left after {:?}", live.len(), start.elapsed());
}

#[tokio::test]
async fn no_copy_of_deleted_text_stays_where_rows_were_moved_from() {
    let server = Server::embedded();
    let live = five_rooms_at_random(&server).await;
    assert_only_on_disk(&server, &live).await;
}

#[tokio::test]
async fn copies_of_deleted_text_that_a_killed_server_left_go_at_the_next_start() {
    let mut server = Server::embedded();
    let live = five_rooms_at_random(&server).await;
    server.kill();
    server.start();
    assert_only_on_disk(&server, &live).await;
}

#[tokio::test]
async fn a_writer_from_outside_is_an_error_while_it_writes_and_nothing_after_it() {
    let server = Server::embedded();
    let (client, room) = (server.client(), server.client().create_room().await);
    let mut ada = User::of(client.clone());
    ada.send(&room, "before").await;
    let outside = Connection::open(server.data().join("livechat.db")).expect("the database");
    outside.execute_batch("BEGIN EXCLUSIVE").expect("a transaction");
    let answer = tokio::time::timeout(Duration::from_secs(10), ada.try_send(&room, "meanwhile")).await;
    assert_eq!(error_code(&answer.expect("an answer in time").expect("an answer")), "UNAVAILABLE");
    assert_eq!(client.texts(&room).await.len(), 1, "reading goes on");
    outside.execute_batch("ROLLBACK").expect("its end");
    let start = Instant::now();
    while ada.try_send(&room, "after").await.expect("an answer").get("errors").is_some() {
        assert!(start.elapsed() < crate::support::PATIENCE, "sends are still refused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // One that rebuilds the whole database is such a writer, for as long as that takes.
    outside.execute_batch("VACUUM").expect("a rebuilt database");
    ada.send(&room, "after the rebuild").await;
    let texts = client.texts(&room).await;
    assert_eq!((texts.first(), texts.last()), (Some(&Some("before".into())), Some(&Some("after the rebuild".into()))));
}

/// Puts a room that has ended into the database of a server that is stopped, with so many messages of 16 kB.
fn add_ended_room(server: &Server, messages: u32) {
    let database = Connection::open(server.data().join("livechat.db")).expect("the database");
    database
        .execute_batch(&format!(
            "PRAGMA journal_size_limit = 0; BEGIN;
             INSERT INTO room (key, id, code, created_at, expires_at, seq, mark, messages, chatters)
             VALUES (1000, randomblob(16), '000000', 0, 1, {messages}, 0, {messages}, 1);
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {messages} - 1)
             INSERT INTO message (room, idx, revision, sent, author, display_name, text, created_at, client_id)
             SELECT 1000, n, n + 1, n + 1, 'somebody-somewhere', 'Somebody', hex(zeroblob(8000)), 0, hex(randomblob(8)) FROM n;
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {messages} - 1)
             INSERT INTO log SELECT 1000, n + 1, 0, n, 0, n FROM n;
             INSERT INTO chatter VALUES (1000, 0, 'somebody-somewhere', 'Somebody');
             COMMIT;"
        ))
        .expect("a room");
}

#[tokio::test]
async fn a_large_room_that_has_ended_gives_all_of_its_space_back_between_the_changes_of_others() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    assert!(server.terminate().await.success());
    add_ended_room(&server, 1_600);
    let before = size(&server.data());
    assert!(before > 25_000_000, "{before} bytes");
    server.start();
    let mut ada = User::of(server.client());
    let mut changes = 0;
    let start = Instant::now();
    while size(&server.data()) > 1_500_000 {
        ada.send(&room, "meanwhile").await;
        changes += 1;
        assert!(start.elapsed() < crate::support::PATIENCE, "{} bytes are left", size(&server.data()));
    }
    println!("{before} bytes given back in {:?}, {changes} changes meanwhile", start.elapsed());
    assert_eq!(server.client().texts(&room).await.len(), changes);
}

#[tokio::test]
async fn a_database_that_was_rebuilt_without_room_to_shrink_gives_space_back_as_well() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    User::of(server.client()).send(&room, "still there").await;
    assert!(server.terminate().await.success());
    let file = server.data().join("livechat.db");
    Connection::open(&file)
        .and_then(|database| database.execute_batch("PRAGMA auto_vacuum = NONE; VACUUM;"))
        .expect("a rebuilt database");
    add_ended_room(&server, 200);
    assert!(size(&server.data()) > 3_000_000);
    server.start();
    eventually("the space is given back", async || size(&server.data()) < 1_000_000).await;
    assert_eq!(server.client().texts(&room).await, [Some("still there".to_owned())]);
}
