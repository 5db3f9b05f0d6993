//! Additions of newer versions to the embedded database: kinds of events and fields of their payloads, which need no new layout, and
//! tables and columns, which other programs may add.

use rusqlite::Connection;
use serde_json::json;

use super::{World, assert_undisturbed, head, next_of_all};
use crate::store::migrate::run_migration;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

const ADDITIONS: &str = "
    ALTER TABLE room ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE message ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE change ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE chatter ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE user ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE ban ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    ALTER TABLE reaction ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
    CREATE TABLE poll (id INTEGER PRIMARY KEY, question TEXT NOT NULL) STRICT;
    INSERT INTO poll (question) VALUES ('tea or coffee?');
    UPDATE message SET mood = 'excited';
    UPDATE change SET payload = json_set(payload, '$.mood', 'calm', '$.more', json_array(1, 2)) WHERE payload IS NOT NULL;";

/// Two entries of unknown kinds. The second has changed a message.
const ENTRIES: &str = "
    INSERT INTO change (id, kind, message, at, tag, sent, deleted, payload)
    SELECT key << 28 | 7, 99, NULL, created_at, 4711, 3, 0, '{\"question\":\"tea or coffee?\"}' FROM room;
    INSERT INTO change (id, kind, message, at, tag, sent, deleted, payload)
    SELECT key << 28 | 8, 98, key << 28 | 1, created_at, 4712, 3, 0, NULL FROM room;
    UPDATE message SET revision = 8 WHERE id & 0xfffffff = 1;";

#[tokio::test]
async fn additions_of_a_newer_version_are_passed_over_kept_and_no_obstacle_to_a_migration() {
    let mut server = Server::embedded();
    let mut world = World::create(&server).await;
    let start = world.room.start.clone();
    let before = world.read(&server).await;
    let events = next_of_all(&mut world.open_readers(&server, &start).await, 6).await;
    assert!(server.terminate().await.success());
    let database = server.data().join("livechat.db");
    let connection = Connection::open(&database).expect("a database");
    connection.execute_batch(&format!("BEGIN; {ADDITIONS} {ENTRIES} COMMIT;")).expect("additions");
    connection.close().expect("a closed database");

    server.start();
    world.move_to(&server);
    assert_eq!(world.read(&server).await, before);
    let mut replaying = world.open_readers(&server, &start).await;
    assert_eq!(next_of_all(&mut replaying, 6).await, events);
    let after_unknown = head(&server, &world.room.key).await;
    let mut at_the_end = world.open_readers(&server, &after_unknown).await;
    world.room.update(json!({ "slowModeSeconds": 0 })).await;
    for readers in [&mut replaying, &mut at_the_end] {
        assert_eq!(next_of_all(readers, 1).await[0]["__typename"], "RoomUpdated");
    }
    world.send_to(&mut at_the_end, "live").await;
    let [first, second] = world.messages.clone();
    world.ada.edit(&world.room.key, &second, "edited").await;
    world.ada.delete(&world.room.key, &first).await;
    world.bob.send(&world.room.key, "here").await;
    assert_undisturbed(&server).await;
    let before = world.read(&server).await;
    let events = next_of_all(&mut world.open_readers(&server, &start).await, 11).await;
    let latest = next_of_all(&mut world.open_readers(&server, &after_unknown).await, 5).await;
    assert!(server.terminate().await.success());
    let connection = Connection::open(&database).expect("a database");
    let kept: u32 = connection
        .query_row("SELECT count(*) FROM message WHERE mood = 'excited'", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(kept, 3, "the changed messages keep their fields");
    drop(connection);

    // Entries of unknown kinds keep their numbers, so all cursors stay valid.
    let redis = RedisServer::start().await;
    let report = run_migration(&server.data(), &redis.url());
    assert!(report.contains("Rooms: 1 copied"), "{report}");
    let server = Server::on_redis(&redis.url());
    world.move_to(&server);
    assert_eq!(world.read(&server).await, before);
    assert_eq!(next_of_all(&mut world.open_readers(&server, &start).await, 11).await, events);
    let mut resumed = world.open_readers(&server, &after_unknown).await;
    assert_eq!(next_of_all(&mut resumed, 5).await, latest);
    world.send_to(&mut resumed, "on Redis").await;
    assert_undisturbed(&server).await;
}
