//! `livechat backup` and `livechat restore`: under load, killed in the middle, and refused where they would do harm.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{Client, RoomKey, User, error_code, text};
use crate::support::load::Senders;
use crate::support::server::{Server, command};
use crate::support::socket::{events_after, events_of};
use crate::support::stream::{Stream, get, post};
use crate::support::subscriber::Subscriber;

/// `livechat` with these arguments, for the data directory `data`.
fn livechat(data: &Path, arguments: &[&str]) -> Command {
    let data = data.to_str().expect("text");
    let mut livechat = command(Path::new("/"), &[("DATA_DIR", data)]);
    livechat.args(arguments);
    livechat
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    livechat(data, arguments).output().expect("the command")
}

fn assert_succeeds(data: &Path, arguments: &[&str]) {
    let output = run(data, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Progress is for terminals.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Runs a command that must be refused. Returns why.
fn refusal(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{reason}");
    assert_eq!(reason.lines().count(), 1, "{reason}");
    reason
}

/// A directory for backups, and the path of a backup in it.
fn backup_file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("backup.db");
    (directory, file)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| text_of(entry.expect("an entry").file_name().to_str())).collect();
    names.sort();
    names
}

fn text_of(text: Option<&str>) -> String {
    text.expect("text").to_owned()
}

/// Cursors of lost events: of an older event, of the newest, and of a list.
struct Lost {
    events: Vec<String>,
    message: String,
}

impl Lost {
    /// Asserts that no transport takes one of the cursors.
    async fn assert_refused(&self, server: &Server, room: &RoomKey, when: &str) {
        for cursor in &self.events {
            let mut socket = Subscriber::open(server.address(), room, Some(cursor.clone())).await;
            assert_eq!(socket.refusal().await, "CURSOR_INVALID", "WebSocket, {when}");
            let mut socket = Subscriber::of_room_events(server.address(), room, Some(cursor.clone())).await;
            assert_eq!(socket.refusal().await, "CURSOR_INVALID", "all events, {when}");
            let request = get(&server.url("/graphql"), &events_of(room)).header("accept", "text/event-stream");
            let received = Stream::open(request.header("last-event-id", cursor)).await.rest().await;
            assert!(received.contains("CURSOR_INVALID"), "server-sent events, {when}: {received}");
            let multipart = "multipart/mixed;subscriptionSpec=1.0, application/json";
            let request = post(&server.url("/graphql"), multipart, &events_after(room, cursor), json!({}));
            let received = Stream::open(request).await.rest().await;
            assert!(received.contains("CURSOR_INVALID"), "multipart, {when}: {received}");
        }
    }

    /// Asserts that a list does not take its cursor either, as long as nothing is at that place.
    async fn assert_list_refused(&self, client: &Client, room: &RoomKey) {
        let list = "query($id: ID!, $code: String!, $after: String) {
            room(id: $id, code: $code) { messages(first: 10, after: $after) { nodes { text } } } }";
        let variables = json!({ "id": room.id, "code": room.code, "after": self.message });
        assert_eq!(client.code(list, variables).await, "CURSOR_INVALID");
    }
}

#[tokio::test]
async fn a_backup_under_load_has_everything_accepted_before_and_the_restored_server_refuses_later_cursors() {
    let mut server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let (mut idle, mut repeated) = (User::of(client.clone()), User::with_own_token(client.clone()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let busy = client.create_room().await;
    ada.send(&room, "before").await;
    idle.send(&room, "by a user who does nothing until the restore").await;
    let (before, token) = (client.cursor(&room).await, ada.token.clone());
    repeated.try_send_once(&busy, "once", Some("once")).await.expect("a response");

    let load = Senders::start(vec![client.clone()], &busy, 4);
    load.wait_for_accepted(20).await;
    let (_directory, file) = backup_file();
    assert_succeeds(&server.data(), &["backup", file.to_str().expect("text")]);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    // The server continues without interruption.
    load.wait_for_accepted(20).await;
    load.stop().await;
    let mut lost = Lost { events: Vec::new(), message: String::new() };
    for n in 0..3 {
        ada.send(&room, &format!("after {n}")).await;
        lost.events.push(client.cursor(&room).await);
    }
    let page = client.query_room(&room, "messages(last: 1) { pageInfo { endCursor } }").await;
    lost.message = text(&page["messages"]["pageInfo"]["endCursor"]);
    server.kill();
    server.assert_no_panic();

    // Into the directory of the killed server, whose write-ahead log belongs to the database that is replaced.
    assert_succeeds(&server.data(), &["restore", "--force", file.to_str().expect("text")]);
    server.start();
    let client = server.client();
    assert_eq!(client.texts(&room).await[0], Some("before".to_owned()));
    assert_eq!(client.texts(&room).await.len(), 2);
    let texts = client.texts(&busy).await;
    assert!(texts.len() >= 20 && texts.iter().all(Option::is_some), "{} messages", texts.len());
    lost.assert_list_refused(&client, &room).await;
    lost.assert_refused(&server, &room, "past the end").await;

    // A cursor of the backup resumes.
    let mut reader = Subscriber::open(server.address(), &room, Some(start)).await;
    assert_eq!(reader.event().await["message"]["text"], "before");
    reader.event().await;
    assert_eq!(reader.cursor, Some(before));
    // A token that was replaced after the backup is unknown; one of the backup is good.
    ada.client = client.clone();
    assert_eq!(error_code(&ada.try_send(&room, "lost").await.expect("an answer")), "TOKEN_INVALID");
    ada.token = token;
    // Other events take the numbers of the lost ones, which does not make the cursors valid.
    ada.send(&room, "again").await;
    lost.assert_refused(&server, &room, "one event was written again").await;
    idle.client = client.clone();
    for n in 0..4 {
        idle.send(&room, &format!("another {n}")).await;
    }
    lost.assert_refused(&server, &room, "every event was written again").await;
    assert_eq!(reader.events(5).await.len(), 5);
    // A repeat of a message that the backup has adds none.
    repeated.client = client.clone();
    repeated.try_send_once(&busy, "once", Some("once")).await.expect("a response");
    assert_eq!(client.texts(&busy).await.iter().filter(|text| text.as_deref() == Some("once")).count(), 1);
}

#[tokio::test]
async fn a_backup_does_not_contain_deleted_text() {
    let mut server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    // So many that SQLite moves rows between pages, which leaves copies.
    for n in 0..60 {
        let message = ada.send(&room, &format!("delete-me {}", "x".repeat(n * 37 % 900))).await;
        ada.send(&room, "keep-me").await;
        ada.delete(&room, &text(&message["id"])).await;
    }
    let (_directory, file) = backup_file();
    let (running, stopped) = (file.with_extension("running"), file.with_extension("stopped"));
    assert_succeeds(&server.data(), &["backup", running.to_str().expect("text")]);
    assert!(server.terminate().await.success());
    let before = names(&server.data());
    assert_succeeds(&server.data(), &["backup", stopped.to_str().expect("text")]);
    assert_eq!(names(&server.data()), before, "a backup leaves nothing in the data directory");
    for file in [running, stopped] {
        let bytes = fs::read(file).expect("a backup");
        let count = |text: &[u8]| bytes.windows(text.len()).filter(|found| *found == text).count();
        assert_eq!(count(b"delete-me"), 0);
        // SQLite may leave copies of these as well.
        assert!(count(b"keep-me") >= 60);
    }
}

/// Kills `process` once the file at `path` has `size` bytes. Returns whether that was before its end.
fn kill_at(mut process: Child, path: &Path, size: u64) -> bool {
    loop {
        if process.try_wait().expect("a child process").is_some() {
            return false;
        }
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() >= size) {
            process.kill().and_then(|()| process.wait()).expect("a child process");
            return true;
        }
    }
}

#[tokio::test]
async fn a_killed_backup_leaves_no_file_and_a_killed_restore_leaves_the_old_database() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    User::of(server.client()).send(&room, "in the backup").await;
    assert!(server.terminate().await.success());
    // Enough rows that both commands can be stopped on the way.
    let database = Connection::open(server.data().join("livechat.db")).expect("the database");
    let filler =
        "CREATE TABLE filler (text); WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40000)
        INSERT INTO filler SELECT hex(randomblob(400)) FROM n";
    database.execute_batch(filler).expect("rows");
    drop(database);

    let (directory, file) = backup_file();
    let name = file.to_str().expect("text");
    let size = fs::metadata(server.data().join("livechat.db")).expect("a file").len();
    let partial = directory.path().join("backup.db.partial");
    let data = server.data();
    let start = |arguments: &[&str]| {
        livechat(&data, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command")
    };
    let mut kills = 0;
    for quarter in 0..4 {
        kill_at(start(&["backup", name]), &partial, size / 4 * quarter);
        if file.exists() {
            let check = |copy: Connection| copy.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0));
            assert_eq!(Connection::open(&file).and_then(check).expect("an answer"), "ok", "a backup is not complete");
            fs::remove_file(&file).expect("a complete backup");
        } else {
            kills += 1;
        }
    }
    assert!(kills > 0, "every backup was too fast");
    assert_succeeds(&server.data(), &["backup", name]);
    assert_eq!(names(directory.path()), ["backup.db"]);

    server.start();
    User::of(server.client()).send(&room, "after the backup").await;
    server.kill();
    let unfinished = server.data().join("livechat.db.new");
    let mut kills = 0;
    for quarter in 0..4 {
        let was_killed = kill_at(start(&["restore", "--force", name]), &unfinished, size / 4 * quarter);
        kills += usize::from(was_killed);
        server.start();
        let texts = server.client().texts(&room).await;
        let expected = ["in the backup", "after the backup"].map(|text| Some(text.to_owned()));
        let renamed = !was_killed || texts.len() == 1;
        assert_eq!(texts, expected[..if renamed { 1 } else { 2 }], "neither the old nor the new database");
        assert!(!names(&server.data()).contains(&"livechat.db.new".to_owned()), "the start leaves what was killed");
        if renamed {
            User::of(server.client()).send(&room, "after the backup").await;
        }
        server.kill();
    }
    assert!(kills > 0, "every restore was too fast");
}

#[tokio::test]
async fn backup_and_restore_refuse_what_would_do_harm() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    User::of(server.client()).send(&room, "kept").await;
    let (directory, file) = backup_file();
    let name = file.to_str().expect("text");
    let data = server.data();
    assert_succeeds(&data, &["backup", name]);
    assert!(refusal(&data, &["backup", name]).contains("already exists"));
    assert!(refusal(&data, &["restore", "--force", name]).contains("in use by another livechat process"));
    let nowhere = directory.path().join("no/such/directory.db");
    assert!(refusal(&data, &["backup", nowhere.to_str().expect("text")]).contains("cannot be written"));
    let empty = directory.path().join("empty");
    assert!(refusal(&empty, &["backup", "/tmp/never.db"]).contains("there is no database"));
    let mut on_redis = livechat(&data, &["backup", "/tmp/never.db"]);
    let output = on_redis.env("REDIS_URL", "redis://127.0.0.1:1").output().expect("the command");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the rooms are in Redis"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    assert!(server.terminate().await.success());
    let before = fs::read(data.join("livechat.db")).expect("the database");
    assert!(refusal(&data, &["restore", name]).contains("already has a database"));
    let good = fs::read(&file).expect("the backup");
    let bad = directory.path().join("bad.db");
    let bad_name = bad.to_str().expect("text");
    let newer = || {
        fs::write(&bad, &good).expect("a file");
        Connection::open(&bad).expect("a database").pragma_update(None, "user_version", 99).expect("a version");
        fs::read(&bad).expect("a file")
    };
    let mut flipped = good.clone();
    flipped[4_096..8_192].fill(0xa5);
    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign).and_then(|other| other.execute_batch("CREATE TABLE other (text)")).expect("a database");
    let foreign_bytes = fs::read(&foreign).expect("a file");
    fs::remove_file(foreign).expect("a file");
    let cases: [(&[u8], &str); 6] = [
        (b"", "is not a backup of livechat"),
        (b"text", "is not a backup of livechat"),
        (&good[..good.len() / 2], "is damaged"),
        (&flipped, "is damaged"),
        (&foreign_bytes, "is not a backup of livechat"),
        (&newer(), "by a newer livechat (version 99"),
    ];
    for (bytes, reason) in cases {
        fs::write(&bad, bytes).expect("a file");
        let refused = refusal(&data, &["restore", "--force", bad_name]);
        assert!(refused.contains(reason), "{refused}");
    }
    fs::write(directory.path().join("backup.db-wal"), "messages").expect("a file");
    assert!(refusal(&data, &["restore", "--force", name]).contains("-wal belongs to it"));
    fs::remove_file(directory.path().join("backup.db-wal")).expect("a file");
    assert!(refusal(&data, &["restore", "--force", data.to_str().expect("text")]).contains("it is not a file"));
    assert_eq!(fs::read(data.join("livechat.db")).expect("the database"), before);
    assert_eq!(names(&data), ["livechat.db", "livechat.lock"]);
    assert_eq!(names(directory.path()), ["backup.db", "bad.db"]);

    // Into an empty directory, and over a database that is damaged or empty.
    for damage in [None, Some(flipped), Some(Vec::new())] {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("data");
        let mut arguments = vec!["restore", name];
        if let Some(damage) = damage {
            fs::create_dir(&data).expect("a directory");
            fs::write(data.join("livechat.db"), damage).expect("a file");
            fs::write(data.join("livechat.db-wal"), "damaged, too").expect("a file");
            arguments.push("--force");
        }
        assert_succeeds(&data, &arguments);
        let restored = Server::in_directory(place, &[]);
        assert_eq!(restored.client().texts(&room).await, [Some("kept".to_owned())]);
    }
}
