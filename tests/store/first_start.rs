//! Starts of the embedded store on all kinds of data directories: it creates a database only if there never was one, and
//! otherwise reports what is wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;

use crate::support::server::{self, Server};

/// Starts the server, which must fail on this directory. Returns its output.
fn failed_start(data: &Path) -> String {
    let output = server::failure(&[("DATA_DIR", data.to_str().expect("text"))]);
    assert!(!output.contains("panicked"), "{output}");
    output
}

/// The names and contents of the files in the directory. Does not follow links.
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

fn create_database(data: &Path, statements: &str) {
    let database = Connection::open(data.join("livechat.db")).expect("a database");
    database.execute_batch(statements).expect("statements");
}

#[test]
fn an_empty_database_file_is_refused_and_left_alone() {
    let data = tempfile::tempdir().expect("a directory");
    fs::write(data.path().join("livechat.db"), "").expect("an empty file");
    // SQLite would remove the log of an empty database.
    fs::write(data.path().join("livechat.db-wal"), "the latest messages").expect("a log");
    let before = content(data.path());
    let output = failed_start(data.path());
    let database = data.path().join("livechat.db");
    assert!(output.contains(&format!("the database {} is empty", database.display())), "{output}");
    assert!(output.contains("restore a backup"), "{output}");
    assert_eq!(content(data.path()), before);
}

#[test]
fn anything_but_our_database_is_refused_with_a_reason_and_left_alone() {
    type Case = (&'static str, fn(&Path), &'static str);
    let cases: [Case; 10] = [
        ("a directory", |data| fs::create_dir(data.join("livechat.db")).expect("a directory"), "is a directory"),
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
            |data| fs::write(data.join("livechat.db-journal"), "the previous content").expect("a journal"),
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
        ("a database without tables", |data| create_database(data, "PRAGMA user_version = 0; VACUUM;"), "is empty"),
        (
            "a database of another program",
            |data| create_database(data, "CREATE TABLE room (key); PRAGMA user_version = 1;"),
            "was written by another program",
        ),
        (
            "a database of another program with an application id",
            |data| {
                create_database(data, "CREATE TABLE places (url); PRAGMA application_id = 7; PRAGMA user_version = 74;")
            },
            "was written by another program",
        ),
    ];
    for (kind, prepare, expected) in cases {
        let data = tempfile::tempdir().expect("a directory");
        prepare(data.path());
        let before = content(data.path());
        let output = failed_start(data.path());
        assert!(output.contains(expected), "{kind}: {output}");
        assert!(output.contains(data.path().to_str().expect("text")), "{kind}: {output}");
        assert_eq!(content(data.path()), before, "{kind} was changed");
    }
}

const FIRST_LAYOUT: &[u8] = include_bytes!("upgrade/layout-1.db");

#[tokio::test]
async fn a_first_start_killed_at_any_moment_does_not_prevent_the_next() {
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
        // A database that exists is complete.
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
async fn files_of_an_unfinished_first_start_are_removed() {
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
