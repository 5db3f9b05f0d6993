//! What lies in the data directory when the server starts with the embedded store: it begins with no rooms only where there
//! never were any, and says what is wrong otherwise.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;

use crate::support::server::{self, Server};

/// What the server says when it must not start on this directory.
fn refusal(data: &Path) -> String {
    let said = server::failure(&[("DATA_DIR", data.to_str().expect("text"))]);
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// What lies there, links not followed.
fn content(data: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let entries = fs::read_dir(data).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut content: Vec<_> = entries
        .filter(|entry| entry.file_name() != "livechat.lock")
        .map(|entry| {
            let is_file = entry.file_type().expect("its type").is_file();
            let bytes = is_file.then(|| fs::read(entry.path()).expect("a readable file"));
            (entry.file_name().into_string().expect("text"), bytes)
        })
        .collect();
    content.sort();
    content
}

fn foreign(data: &Path, statements: &str) {
    let database = Connection::open(data.join("livechat.db")).expect("a database");
    database.execute_batch(statements).expect("statements");
}

#[test]
fn an_empty_database_file_is_refused_and_left_alone() {
    let data = tempfile::tempdir().expect("a directory");
    fs::write(data.path().join("livechat.db"), "").expect("an empty file");
    // SQLite removes the log of a database that is empty.
    fs::write(data.path().join("livechat.db-wal"), "the latest messages").expect("a log");
    let before = content(data.path());
    let said = refusal(data.path());
    let database = data.path().join("livechat.db");
    assert!(said.contains(&format!("the database {} is empty", database.display())), "{said}");
    assert!(said.contains("restore a backup"), "{said}");
    assert_eq!(content(data.path()), before);
}

#[test]
fn what_is_no_database_of_ours_is_refused_by_its_kind_and_left_alone() {
    type Case = (&'static str, fn(&Path), &'static str);
    let cases: [Case; 10] = [
        ("a directory", |data| fs::create_dir(data.join("livechat.db")).expect("made"), "is a directory"),
        (
            "a link to a database",
            |data| {
                fs::write(data.join("elsewhere.db"), "a database").expect("a file");
                symlink(data.join("elsewhere.db"), data.join("livechat.db")).expect("a link");
            },
            "is a symbolic link",
        ),
        (
            "a link to nothing",
            |data| symlink(data.join("nowhere.db"), data.join("livechat.db")).expect("a link"),
            "is a symbolic link",
        ),
        (
            "a log without its database",
            |data| fs::write(data.join("livechat.db-wal"), "the latest messages").expect("a log"),
            "livechat.db-wal exists without its database",
        ),
        (
            "a journal without its database",
            |data| fs::write(data.join("livechat.db-journal"), "what was there before").expect("a journal"),
            "livechat.db-journal exists without its database",
        ),
        (
            "the head of a database, cut off",
            |data| fs::write(data.join("livechat.db"), &FIRST_LAYOUT[..90]).expect("a file"),
            "restore a backup",
        ),
        (
            "the first page of a database, cut off",
            |data| fs::write(data.join("livechat.db"), &FIRST_LAYOUT[..4_000]).expect("a file"),
            "restore a backup",
        ),
        ("a database without tables", |data| foreign(data, "PRAGMA user_version = 0; VACUUM;"), "is empty"),
        (
            "a database of another program",
            |data| foreign(data, "CREATE TABLE room (key); PRAGMA user_version = 1;"),
            "was written by another program",
        ),
        (
            "a database of another program with a mark of its own",
            |data| foreign(data, "CREATE TABLE places (url); PRAGMA application_id = 7; PRAGMA user_version = 74;"),
            "was written by another program",
        ),
    ];
    for (kind, prepare, expected) in cases {
        let data = tempfile::tempdir().expect("a directory");
        prepare(data.path());
        let before = content(data.path());
        let said = refusal(data.path());
        assert!(said.contains(expected), "{kind}: {said}");
        assert!(said.contains(data.path().to_str().expect("text")), "{kind}: {said}");
        assert_eq!(content(data.path()), before, "{kind} was changed");
    }
}

const FIRST_LAYOUT: &[u8] = include_bytes!("upgrade/layout-1.db");

#[tokio::test]
async fn a_first_start_that_dies_at_any_moment_leaves_nothing_that_stops_the_next() {
    for delay in (0..40).map(|n| Duration::from_millis(n * 3)) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut process = server::command(directory.path(), &[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the livechat binary");
        tokio::time::sleep(delay).await;
        process.kill().and_then(|()| process.wait()).expect("a process of our own");
        let database = directory.path().join("data/livechat.db");
        // A database that is there is whole from its first moment on.
        if database.exists() {
            let connection = Connection::open(&database).expect("a database");
            let rooms: u32 = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0)).expect("a table");
            assert_eq!(rooms, 0);
        }
        if delay.as_millis() % 12 == 0 {
            drop(Server::in_directory(directory, &[]));
        }
    }
}

#[tokio::test]
async fn what_an_unfinished_first_start_left_is_cleared_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("a directory");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        fs::write(data.join(format!("livechat.db.new{suffix}")), "half a database").expect("a file");
    }
    let mut server = Server::in_directory(directory, &[]);
    server.client().create_room().await;
    assert!(server.terminate().await.success());
    let names: Vec<_> = content(&server.data()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["livechat.db"]);
}
