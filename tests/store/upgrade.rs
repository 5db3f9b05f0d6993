//! Opens databases of earlier versions. `tests/store/upgrade/layout-1.db` was left by a stopped server of version 0.1.0; only the
//! expiry of its rooms and users was moved to the far future. `first_version` checks what it is served as.

mod first_version;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::client::{RoomKey, User, error_code, text};
use crate::support::server::{self, Server};
use crate::support::subscriber::Subscriber;

const FIRST_LAYOUT: &[u8] = include_bytes!("upgrade/layout-1.db");

/// The statements with which a server upgraded the first layout to the second.
const SECOND_LAYOUT: &str = concat!(
    include_str!("../../src/store/embedded/layout/2.sql"),
    "PRAGMA application_id = 0x4c436861; PRAGMA user_version = 2;"
);

/// The statements with which a server upgraded the second layout to the third.
const THIRD_LAYOUT: &str = concat!(include_str!("../../src/store/embedded/layout/3.sql"), "PRAGMA user_version = 3;");

/// The current version of the layout: the number of files in `src/store/embedded/layout`.
const CURRENT: i32 = 4;

fn room() -> RoomKey {
    RoomKey { id: "461137201e5740949b2a3fea966a25bc".into(), code: "663723".into() }
}

fn other_room() -> RoomKey {
    RoomKey { id: "008ae957e1144742a3768b43b433654d".into(), code: "060400".into() }
}

/// The author of the first message of the room and of the second, which she edited twice.
fn ada(server: &Server) -> User {
    User {
        id: Some("386c18189ceb4d1e826952dd6e46fe06".into()),
        token: Some("bf5f6a3a601cb779c83003d09f9bdf0f".into()),
        ..User::of(server.client())
    }
}

/// The author of the third message, which he deleted, of the fourth, and of the one in the other room.
fn bob(server: &Server) -> User {
    User {
        id: Some("af67e4053d5b4e95abc5b5e964d5ea2a".into()),
        token: Some("2e1bdfd593ed38ccc7acf88754e968dd".into()),
        ..User::of(server.client())
    }
}

/// The cursor after the first message.
const AFTER_THE_FIRST: &str = "ZUYRNyAeV0CUmyo_6pZqJbwAAAAAAAAAAWtHOmpAX7-1";

fn texts() -> [Option<String>; 4] {
    [Some("the first message"), Some("edited two times"), None, Some("the last message")]
        .map(|it| it.map(str::to_owned))
}

/// A server's directory with the old database.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("data")).expect("a directory");
    fs::write(database(directory.path()), FIRST_LAYOUT).expect("a database");
    directory
}

fn database(directory: &Path) -> std::path::PathBuf {
    directory.join("data/livechat.db")
}

fn version(database: &Path) -> i32 {
    let connection = Connection::open(database).expect("a database");
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
}

#[tokio::test]
async fn a_database_of_the_first_layout_opens_with_all_its_content_and_stays_usable() {
    assert_eq!(version(&database(directory().path())), 1, "the database of this test was replaced");
    opens_with_all_its_content_and_stays_usable(directory()).await;
}

#[tokio::test]
async fn a_database_of_the_second_layout_opens_with_all_its_content_and_stays_usable() {
    let directory = directory();
    Connection::open(database(directory.path()))
        .and_then(|connection| connection.execute_batch(&format!("BEGIN; {SECOND_LAYOUT}; COMMIT;")))
        .expect("the second layout");
    opens_with_all_its_content_and_stays_usable(directory).await;
}

#[tokio::test]
async fn a_database_of_the_third_layout_opens_with_all_its_content_and_stays_usable() {
    let directory = directory();
    Connection::open(database(directory.path()))
        .and_then(|connection| connection.execute_batch(&format!("BEGIN; {SECOND_LAYOUT}; {THIRD_LAYOUT}; COMMIT;")))
        .expect("the third layout");
    opens_with_all_its_content_and_stays_usable(directory).await;
}

#[tokio::test]
async fn rooms_from_before_the_upgrade_get_secrets_of_their_own_and_default_settings() {
    let mut server = Server::in_directory(directory(), &[]);
    assert!(server.terminate().await.success());
    let connection = Connection::open(server.data().join("livechat.db")).expect("a database");
    let counts = "SELECT count(*), count(DISTINCT owner_token), count(DISTINCT secret), min(length(owner_token)),
                         min(length(secret)), total(listed AND NOT locked AND slow_mode = 0 AND title IS NULL AND capacity IS NULL)
                  FROM room";
    let counts: [u32; 5] = connection
        .query_row(counts, [], |row| {
            assert_eq!(row.get::<_, f64>(5)? as u32, row.get::<_, u32>(0)?, "the settings of a room");
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
        })
        .expect("counts");
    assert_eq!(counts, [2, 2, 2, 32, 16]);
}

#[tokio::test]
async fn no_id_that_a_user_has_chosen_looks_signed_after_the_upgrade() {
    const RENAME: &str = "
        UPDATE user SET id = '@ada' WHERE id = '386c18189ceb4d1e826952dd6e46fe06';
        UPDATE chatter SET user = '@ada' WHERE user = '386c18189ceb4d1e826952dd6e46fe06';
        UPDATE message SET author = '@ada' WHERE author = '386c18189ceb4d1e826952dd6e46fe06';";
    let directory = directory();
    Connection::open(database(directory.path()))
        .and_then(|connection| connection.execute_batch(RENAME))
        .expect("a user with such an id");
    let server = Server::in_directory(directory, &[]);
    let query =
        "messages(first: 10) { nodes { author { id isVerified } } } chatters(first: 10) { nodes { id isVerified } }";
    let read = server.client().query_room(&room(), query).await;
    let authors = read["messages"]["nodes"].as_array().expect("messages").iter().map(|message| &message["author"]);
    let authors: Vec<_> = authors.collect();
    assert!(authors.iter().all(|author| author["isVerified"] == false), "{read}");
    assert!(authors[0] == authors[1] && authors[0] != authors[2], "two users are still two: {read}");
    assert_eq!(&read["chatters"]["nodes"][0], authors[0]);
    // Nobody else can take the new id.
    let mut stranger = User { id: Some(text(&authors[0]["id"])), ..User::with_own_token(server.client()) };
    let response = stranger.try_send(&room(), "taken over").await.expect("an answer");
    assert_eq!(error_code(&response), "TOKEN_INVALID");
}

async fn opens_with_all_its_content_and_stays_usable(directory: TempDir) {
    let mut server = Server::in_directory(directory, &[]);
    for _ in 0..2 {
        assert_eq!(server.client().texts(&room()).await, texts());
        assert_eq!(server.client().texts(&other_room()).await, [Some("in the other room".to_owned())]);
        let mut reader = Subscriber::open(server.address(), &room(), Some(AFTER_THE_FIRST.into())).await;
        let events = reader.events(6).await;
        let seen: Vec<_> = events.iter().map(|event| event["message"]["text"].as_str()).collect();
        let last = Some("the last message");
        assert_eq!(
            seen[..],
            [Some("edited two times"), None, Some("edited two times"), Some("edited two times"), None, last]
        );
        assert!(server.terminate().await.success());
        assert_eq!(version(&database(server.data().parent().expect("its directory"))), CURRENT);
        server.start();
    }
    // Tokens are valid, repeats are recognized, and messages can be changed.
    let (mut ada, mut bob) = (ada(&server), bob(&server));
    let repeated = ada.try_send_once(&room(), "the first message, again", Some("one")).await.expect("an answer");
    assert_eq!(repeated["data"]["sendMessage"]["message"]["index"], 0);
    ada.edit(&room(), &format!("{}-0", room().id), "the first message, edited").await;
    bob.delete(&room(), &format!("{}-3", room().id)).await;
    bob.send(&other_room(), "another").await;
    let gone = bob.try_change(&room(), &format!("{}-2", room().id), None).await.expect("an answer");
    assert_eq!(error_code(&gone), "MESSAGE_NOT_FOUND");
}

#[tokio::test]
async fn limits_count_changes_from_before_the_upgrade() {
    // The log has seven entries, and three messages are not deleted.
    let server = Server::in_directory(directory(), &[("ROOM_MAX_EVENTS", "13"), ("MESSAGE_MAX_EDITS", "3")]);
    let (mut ada, second) = (ada(&server), format!("{}-1", room().id));
    ada.send(&room(), "a fifth message").await;
    ada.edit(&room(), &second, "edited three times").await;
    let answer = ada.try_change(&room(), &second, Some("edited four times")).await.expect("an answer");
    assert_eq!(error_code(&answer), "EDIT_LIMIT_REACHED");
    let answer = ada.try_change(&room(), &format!("{}-0", room().id), Some("edited")).await.expect("an answer");
    assert_eq!(error_code(&answer), "ROOM_FULL");
    ada.delete(&room(), &second).await;
}

/// Makes the old database so large that its upgrade takes a while, and leaves half of it in the write-ahead log, like a killed
/// server.
fn grow(directory: &Path) {
    const STATEMENTS: &str = "
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
        INSERT INTO message SELECT 3, n - 1, 20000 + n, n, author, display_name, text, created_at, created_at, NULL, NULL
        FROM n, (SELECT * FROM message WHERE room = 1 AND idx = 0);
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
        INSERT INTO log SELECT 3, n, 0, n - 1, 0, n FROM n;
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
        INSERT INTO log SELECT 3, 20000 + n, 1, n - 1, 0, n FROM n;
        INSERT INTO room SELECT 3, randomblob(16), code, created_at, expires_at, 40000, 20000, 20000, 1 FROM room WHERE key = 1;";
    let work = tempfile::tempdir().expect("a directory");
    let file = work.path().join("livechat.db");
    fs::write(&file, FIRST_LAYOUT).expect("a database");
    let connection = Connection::open(&file).expect("a database");
    connection.execute_batch(&format!("PRAGMA wal_autocheckpoint = 0; BEGIN; {STATEMENTS} COMMIT;")).expect("rows");
    for name in ["livechat.db", "livechat.db-wal"] {
        fs::copy(work.path().join(name), directory.join("data").join(name)).expect("a copy");
    }
}

#[tokio::test]
async fn a_killed_upgrade_is_continued_by_the_next_start() {
    let directory = directory();
    grow(directory.path());
    let mut interrupted = 0;
    for delay in [0, 0, 1, 2, 5, 10, 20, 40, 80, 160].map(Duration::from_millis) {
        let mut process = server::command(directory.path(), &[])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the livechat binary");
        let log = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut lines = log.lines().map_while(Result::ok).take_while(|line| !line.contains("nothing is limited"));
        if lines.any(|line| line.contains("upgrading the layout")) {
            std::thread::sleep(delay);
        }
        process.kill().and_then(|()| process.wait()).expect("a process of our own");
        // Examines a copy, so that only the server ever recovers the database.
        let copy = tempfile::tempdir().expect("a directory");
        for name in ["livechat.db", "livechat.db-wal"] {
            fs::copy(directory.path().join("data").join(name), copy.path().join(name)).expect("a copy");
        }
        interrupted += u32::from(version(&copy.path().join("livechat.db")) == 1);
    }
    assert!(interrupted > 0, "no upgrade was interrupted");
    let mut server = Server::in_directory(directory, &[]);
    assert_eq!(server.client().texts(&room()).await, texts());
    ada(&server).send(&room(), "after the upgrade").await;
    assert!(server.terminate().await.success());
    let connection = Connection::open(server.data().join("livechat.db")).expect("a database");
    let counts = "SELECT (SELECT count(*) FROM message WHERE id >> 28 = 3 AND edits = 1), (SELECT count(*) FROM change WHERE id >> 28 = 3)";
    let counts: (u32, u32) = connection.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("counts");
    assert_eq!(counts, (20_000, 20_000));
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let directory = directory();
    let file = database(directory.path());
    let connection = Connection::open(&file).expect("a database");
    connection
        .execute_batch("PRAGMA application_id = 0x4c436861; PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE);")
        .expect("a version");
    drop(connection);
    let before = fs::read(&file).expect("a file");
    let output = server::failure(&[("DATA_DIR", directory.path().join("data").to_str().expect("text"))]);
    assert!(output.contains("was written by a newer livechat (version 99"), "{output}");
    assert!(fs::read(&file).expect("a file") == before, "the database was changed");
}
