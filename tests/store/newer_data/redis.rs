//! Additions of newer versions to the data in Redis, written by the test itself.

use redis::aio::MultiplexedConnection;
use serde_json::json;

use super::{World, assert_undisturbed, head, next_of_all};
use crate::support::client::text;
use crate::support::eventually;
use crate::support::owner::{react, try_join};
use crate::support::presence::PresenceReader;
use crate::support::redis_server::RedisServer;
use crate::support::server::{self, Server};

/// An entry without a payload: kind, number, time, index of the message, tag.
const ENTRY_LENGTH: usize = 27;

/// Writes what a newer version would write about the only room.
struct NewerVersion {
    redis: MultiplexedConnection,
    /// The names of the room's keys, up to the last part.
    room: String,
}

impl NewerVersion {
    async fn on(server: &RedisServer) -> Self {
        let mut redis = server.connection().await;
        let logs: Vec<String> = redis::cmd("KEYS").arg("livechat:1:*:log").query_async(&mut redis).await.expect("keys");
        let [log] = &logs[..] else { panic!("one room: {logs:?}") };
        let room = log.strip_suffix("log").expect("the name of a log").to_owned();
        Self { redis, room }
    }

    fn key(&self, part: &str) -> String {
        format!("{}{part}", self.room)
    }

    async fn run(&mut self, command: &redis::Cmd) {
        command.exec_async(&mut self.redis).await.expect("a command that succeeds");
    }

    async fn bytes(&mut self, command: &redis::Cmd) -> Vec<u8> {
        command.query_async(&mut self.redis).await.expect("a value")
    }

    async fn field(&mut self, field: &str) -> Vec<u8> {
        let key = self.key("room");
        self.bytes(redis::cmd("HGET").arg(key).arg(field)).await
    }

    async fn set_field(&mut self, part: &str, field: &str, value: &[u8]) {
        let key = self.key(part);
        self.run(redis::cmd("HSET").arg(key).arg(field).arg(value)).await;
    }

    /// Appends to a field of the room.
    async fn extend_field(&mut self, field: &str, addition: &[u8]) {
        let value = [&self.field(field).await[..], addition].concat();
        self.set_field("room", field, &value).await;
    }

    async fn message(&mut self, index: usize) -> Vec<u8> {
        let key = self.key("messages");
        self.bytes(redis::cmd("LINDEX").arg(key).arg(index)).await
    }

    async fn set_message(&mut self, index: usize, message: &[u8]) {
        let key = self.key("messages");
        self.run(redis::cmd("LSET").arg(key).arg(index).arg(message)).await;
    }

    async fn last_entry(&mut self) -> Vec<u8> {
        let key = self.key("log");
        self.bytes(redis::cmd("LINDEX").arg(key).arg(-1)).await
    }

    async fn publish(&mut self, announcement: &[u8]) {
        let key = self.key("room");
        self.run(redis::cmd("PUBLISH").arg(key).arg(announcement)).await;
    }

    /// Appends an entry of an unknown kind about the message with this index, and announces it. Returns it without the payload.
    async fn append_entry(&mut self, index: u8) -> Vec<u8> {
        let mut state = self.field("state").await;
        state[17] += 1;
        let tag: [u8; 8] = rand::random();
        state[36..44].copy_from_slice(&tag);
        let entry = [&b"z"[..], &state[12..18], &state[6..12], &[0, 0, 0, 0, 0, index], &tag].concat();
        let log = self.key("log");
        self.set_field("room", "state", &state).await;
        let with_payload = [&entry[..], b"a payload\nof several lines\n"].concat();
        self.run(redis::cmd("RPUSH").arg(log).arg(&with_payload)).await;
        self.publish(b"Zomething that is not in the log").await;
        self.publish(&with_payload).await;
        entry
    }

    /// Adds something to every value that can be extended.
    async fn extend_everything(&mut self, world: &World) {
        let message = self.message(0).await;
        let start = ENTRY_LENGTH + message[ENTRY_LENGTH..].iter().position(|byte| *byte == b'\n').expect("a field") + 1;
        let message = [&message[..start], "zü\nZontent of the future\n".as_bytes(), &message[start..]].concat();
        self.set_message(0, &message).await;
        self.extend_field("about", b"\nzetting of the future\nyes").await;
        self.extend_field("state", b"and more").await;
        let [ada, bob, eve] = [&world.ada, &world.bob, &world.eve].map(|user| user.id.clone().expect("an id"));
        for user in [&ada, &bob, &eve] {
            self.extend_field(&format!("u{user}"), b"\nzomething about a user").await;
        }
        self.extend_field(&format!("b{eve}"), b"\nzomething about a ban").await;
        self.set_field("room", "zomething", b"new").await;
        self.set_field("zomething", "new", b"too").await;
        // Another server reports viewers, and a user with a role that this version does not know.
        let (node, end) = ("0123456789abcdef", "9999999999999");
        self.set_field("viewers", node, format!("7:{end}:more").as_bytes()).await;
        self.set_field("nodes", node, format!("{end} and more").as_bytes()).await;
        self.set_field("presence", &format!("{node}a-user-of-the-future"), b"xGuest\n\nzomething\nmore").await;
    }
}

#[tokio::test]
async fn additions_of_a_newer_version_are_passed_over_on_every_transport_and_route() {
    let redis = RedisServer::start().await;
    let first = Server::on_redis(&redis.url());
    let mut world = World::create(&first).await;
    let (room, start) = (world.room.key.clone(), world.room.start.clone());
    let before = world.read(&first).await;
    let events = next_of_all(&mut world.open_readers(&first, &start).await, 6).await;
    let mut newer = NewerVersion::on(&redis).await;
    newer.extend_everything(&world).await;
    // Entries of an unknown kind, one of which has changed a message.
    let entry = newer.append_entry(1).await;
    let message = newer.message(1).await;
    let created_at = &message[7..13];
    let changed = [&entry[..], created_at, &[0; 6 + 6 + 4], &message[ENTRY_LENGTH..]].concat();
    newer.set_message(1, &changed).await;
    newer.append_entry(0).await;
    drop(first);

    // A server that has cached nothing.
    let server = Server::on_redis(&redis.url());
    world.move_to(&server);
    assert_eq!(world.read(&server).await, before);
    assert_eq!(server.client().query_room(&room, "viewerCount").await["viewerCount"], 7);
    let presence = PresenceReader::open(server.address(), &room, None).await;
    assert_eq!(presence.users["a-user-of-the-future"], "MEMBER");
    let mut replaying = world.open_readers(&server, &start).await;
    assert_eq!(next_of_all(&mut replaying, 6).await, events);
    // Readers that resume after an entry of an unknown kind, and after the last one that they know.
    let mut at_the_end = world.open_readers(&server, &head(&server, &room).await).await;
    let mut before_it = world.open_readers(&server, &text(&events[5]["cursor"])).await;
    let mut readers: Vec<_> = [&mut replaying, &mut at_the_end, &mut before_it].into();
    for message in ["live", "and on"] {
        newer.append_entry(0).await;
        newer.append_entry(2).await;
        world.room.update(json!({ "slowModeSeconds": 0, "title": message })).await;
        for readers in &mut readers {
            let updated = next_of_all(readers, 1).await;
            assert_eq!(updated[0]["settings"]["title"], message, "{updated:?}");
        }
    }
    world.send_to(&mut at_the_end, "the end").await;
    assert_undisturbed(&server).await;
}

#[tokio::test]
async fn an_older_version_keeps_what_a_newer_one_has_added_to_a_value_that_it_changes() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let mut world = World::create(&server).await;
    let room = world.room.key.clone();
    let mut newer = NewerVersion::on(&redis).await;
    newer.extend_everything(&world).await;

    world.room.update(json!({ "title": "Another title", "slowModeSeconds": 0 })).await;
    let entry = newer.last_entry().await;
    assert!(entry.ends_with(b"Another title\nzetting of the future\nyes\n"), "{}", String::from_utf8_lossy(&entry));
    let about = newer.field("about").await;
    assert!(about.ends_with(b"\nAnother title\nzetting of the future\nyes"), "{}", String::from_utf8_lossy(&about));
    world.room.unban(&world.eve).await;
    // All of the room's rules are off, and only the addition keeps this part of the state.
    assert!(newer.field("state").await.ends_with(b"and more"));
    world.room.ban(&world.eve, json!({ "reason": "another reason" })).await;
    assert_eq!(world.room.bans("").await["nodes"][0]["reason"], "another reason");
    world.room.unban(&world.eve).await;

    let [first, second] = world.messages.clone();
    world.ada.edit(&room, &first, "edited").await;
    react(&mut world.ada, &room, &first, "🎉", true).await;
    react(&mut world.ada, &room, &first, "🎉", false).await;
    let kept = String::from_utf8_lossy(&newer.message(0).await).into_owned();
    assert!(kept.contains("\nzü\nZontent of the future\n") && kept.ends_with("\n\nedited"), "{kept}");
    // Its content goes with the text.
    world.ada.delete(&room, &first).await;
    let kept = String::from_utf8_lossy(&newer.message(0).await).into_owned();
    assert!(kept.contains("\nzü\n") && !kept.contains("ontent of the future"), "{kept}");
    world.ada.delete(&room, &second).await;

    // Users act, join again, and send their first message.
    world.eve.send(&room, "back again").await;
    try_join(&mut world.bob, &room).await;
    world.bob.send(&room, "here").await;
    for user in [&world.ada, &world.bob, &world.eve] {
        let field = format!("u{}", user.id.as_deref().expect("an id"));
        let kept = String::from_utf8_lossy(&newer.field(&field).await).into_owned();
        assert!(kept.ends_with("\nzomething about a user"), "{kept}");
    }
    // Names are still names.
    const NAMES: &str =
        "chatters(first: 10) { nodes { displayName } } messages(last: 2) { nodes { author { displayName } } }";
    let read = server.client().query_room(&room, NAMES).await.to_string();
    assert!(!read.contains("zomething"), "{read}");
    assert!(newer.field("state").await.ends_with(b"and more"));
    // Reports of presence and of viewers leave those of the other server alone.
    let _presence = PresenceReader::open(server.address(), &room, None).await;
    eventually("the room has the viewers of the other server", async || {
        server.client().query_room(&room, "viewerCount").await["viewerCount"] == 7
    })
    .await;
    assert_undisturbed(&server).await;
}

#[tokio::test]
async fn a_role_of_a_newer_version_counts_as_that_of_a_member_and_is_kept() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let mut world = World::create(&server).await;
    let room = world.room.key.clone();
    world.room.update(json!({ "slowModeSeconds": 0 })).await;
    let mut newer = NewerVersion::on(&redis).await;
    let fields = [&world.ada, &world.bob].map(|user| format!("u{}", user.id.as_deref().expect("an id")));
    for (field, role) in fields.iter().zip([b'x', b'X']) {
        let mut member = newer.field(field).await;
        member[0] = role;
        newer.set_field("room", field, &member).await;
    }
    world.ada.send(&room, "by somebody").await;
    try_join(&mut world.ada, &room).await;
    assert_eq!(newer.field(&fields[0]).await[0], b'x');
    try_join(&mut world.bob, &room).await;
    assert_eq!(newer.field(&fields[1]).await[0], b'X', "he has sent nothing");
    world.bob.send(&room, "his first message").await;
    assert_eq!(newer.field(&fields[1]).await[0], b'x');
    let ban = world.room.ban(&world.bob, json!({})).await;
    assert_eq!(ban["ban"]["user"]["id"], json!(world.bob.id));
    assert_undisturbed(&server).await;
}

#[tokio::test]
async fn a_server_does_not_start_on_data_of_a_layout_that_it_does_not_know() {
    let redis = RedisServer::start().await;
    redis.command(&["SET", "livechat:layout", "2"]).await;
    let reason = server::failure(&[("REDIS_URL", &redis.url())]);
    assert!(reason.contains("has layout 2") && reason.contains("uses layout 1"), "{reason}");
    assert!(reason.contains("start a version that uses layout 2, or set REDIS_PREFIX"), "{reason}");
    assert_eq!(redis.query::<Vec<String>>(&["KEYS", "*"]).await, ["livechat:layout"]);
}
