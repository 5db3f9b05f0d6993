//! What owners, bans, reactions and presence leave in Redis, and what newer versions of LiveChat may leave there.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::EventKind;
use livechat::domain::page::Window;
use livechat::domain::position::Position;
use livechat::domain::presence::PresentUser;
use livechat::domain::room::{RoomCode, RoomId, RoomSettings, RoomTitle, SettingsUpdate};
use livechat::domain::user::Role;
use livechat::store::embedded::EmbeddedStore;
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{AttemptLimits, AttemptingClient, FeedItem, PresenceReport, Store, StoreError, Subject};
use redis::aio::MultiplexedConnection;

use crate::store::conformance::kit::{self, RoomContents, named_user};
use crate::store::migrate::run_migration;
use crate::support::TIMEOUT;
use crate::support::redis_server::RedisServer;

const PREFIX: &str = "test";

async fn connect(server: &RedisServer) -> Arc<dyn Store> {
    let settings = Settings::new(&server.url(), PREFIX).expect("settings");
    Arc::new(RedisStore::connect(settings).await.expect("a store"))
}

async fn new_room(store: &Arc<dyn Store>) -> RoomId {
    kit::room(store).await.expect("a room")
}

fn key(room: RoomId, name: &str) -> String {
    format!("{PREFIX}:1:{{{room}}}:{name}")
}

async fn keys(redis: &mut MultiplexedConnection) -> Vec<String> {
    redis::cmd("KEYS").arg(format!("{PREFIX}:*")).query_async(redis).await.expect("keys")
}

/// Leaves something under every key that a room can have.
async fn use_everything(store: &Arc<dyn Store>, room: RoomId) {
    let [owner, ann, bob, eve] = ["owner", "ann", "bob", "eve"].map(named_user);
    let commit = async |commit| store.commit(commit).await.expect("a commit").into_event();
    commit(kit::send_by(room, kit::owner(&owner), "hello")).await;
    let message = kit::into_message(commit(kit::send_by(room, kit::at_address(&ann, 1), "hi")).await);
    commit(kit::send_by(room, kit::at_address(&bob, 2), "ho")).await;
    store.join(room, kit::at_address(&eve, 3)).await.expect("a member");
    commit(kit::edit(&message, "hi there")).await;
    store.react(kit::reaction(&message, &bob, "👍")).await.expect("a reaction");
    store.react(kit::reaction(&message, &eve, "👍")).await.expect("a reaction");
    // The last one has no entry yet. A busy machine may need several attempts, because a late reaction has an entry of its own.
    let mut is_gathered = false;
    while !is_gathered {
        store.react(kit::reaction(&message, &bob, "🦀")).await.expect("a reaction");
        is_gathered = store.react(kit::removal(&message, &bob, "🦀")).await.expect("a removal").due.is_some();
    }
    commit(kit::ban_for(room, &bob, Some(Duration::from_secs(600)))).await;
    commit(kit::ban(room, &eve)).await;
    commit(kit::slow_mode(room, 30)).await;
    commit(kit::send_by(room, kit::at_address(&named_user("dan"), 5), "slowly")).await;
    commit(kit::send_by(room, kit::at_address(&named_user("new"), 4), "slowly, too")).await;
}

/// Uses what only servers on Redis share.
async fn use_nodes(store: &Arc<dyn Store>, room: RoomId) {
    store.report_viewers(&[(room, 3)]).await.expect("a report");
    let changed = vec![PresentUser { user: named_user("ann"), role: Role::Member }];
    store
        .report_presence(room, PresenceReport { changed, left: Vec::new(), is_complete: true })
        .await
        .expect("a report");
    let client = AttemptingClient { subject: Subject([1; 16]), block: Subject([2; 16]) };
    let limits = Some(AttemptLimits { unrestricted: 0, total: 9 });
    store.begin_code_attempt(room, client, limits).await.expect("an attempt");
    store.trust_client(room, client, false).await.expect("trusted");
}

#[tokio::test]
async fn an_ended_room_leaves_no_key() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_everything(&store, room).await;
    use_nodes(&store, room).await;
    let before = keys(&mut redis).await;
    assert_eq!(before.len(), 14 + 2 + 1, "14 of the room, 2 of the list, the layout: {before:?}");
    for name in before.iter().filter(|name| !name.ends_with(":layout")) {
        let left: i64 = redis::cmd("PTTL").arg(name).query_async(&mut redis).await.expect("a time to live");
        assert!(left > 0, "{name} never expires");
    }
    store.end_room(room).await.expect("the end");
    assert_eq!(keys(&mut redis).await, [format!("{PREFIX}:layout")]);
    assert!(matches!(store.end_room(room).await, Err(StoreError::NotFound)));
    // Late reports leave nothing either.
    store.report_viewers(&[(room, 3)]).await.expect("a report");
    let report = PresenceReport { changed: Vec::new(), left: Vec::new(), is_complete: true };
    assert!(matches!(store.report_presence(room, report).await, Err(StoreError::NotFound)));
    assert_eq!(keys(&mut redis).await, [format!("{PREFIX}:layout")]);
}

#[tokio::test]
async fn an_unlisting_that_was_cut_short_is_completed_by_the_next_reader_of_the_list() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let (kept, unlisted) = (new_room(&store).await, new_room(&store).await);
    let parts: Vec<_> = keys(&mut redis).await.into_iter().filter(|key| key.contains("{rooms:")).collect();
    for part in &parts {
        redis::cmd("COPY").arg(part).arg(format!("copy of {part}")).exec_async(&mut redis).await.expect("a copy");
    }
    let hide = SettingsUpdate { listed: Some(false), ..SettingsUpdate::default() };
    store.commit(kit::update(unlisted, hide)).await.expect("an update");
    // A server that is killed between the two steps leaves the entry in the list.
    for part in &parts {
        redis::cmd("RENAME").arg(format!("copy of {part}")).arg(part).exec_async(&mut redis).await.expect("a list");
    }
    for _ in 0..2 {
        let active = store.active_rooms(None, 10).await.expect("the list");
        assert_eq!(active.rooms.iter().map(|state| state.room.id).collect::<Vec<_>>(), [kept]);
        assert_eq!((active.total, active.more), (1, false));
    }
    let show = SettingsUpdate { listed: Some(true), ..SettingsUpdate::default() };
    store.commit(kit::update(unlisted, show)).await.expect("an update");
    assert_eq!(store.active_rooms(None, 10).await.expect("the list").total, 2);
}

#[tokio::test]
async fn entries_of_a_newer_version_are_unknown_events() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    let sent = store.commit(kit::send(room, &named_user("ann"), "hello")).await.expect("a commit").into_event();
    let mut feed = store.feed();
    store.subscribe(room).await.expect("subscribed");
    // A newer version appends an entry of its own and announces it, and something that is not in the log.
    let entry: Vec<u8> =
        redis::cmd("LINDEX").arg(key(room, "log")).arg(1).query_async(&mut redis).await.expect("entry");
    let mut entry = [b"z", &entry[1..], b"with a payload"].concat();
    entry[6] = 2;
    redis::cmd("RPUSH").arg(key(room, "log")).arg(&entry).exec_async(&mut redis).await.expect("an entry");
    let mut state: Vec<u8> =
        redis::cmd("HGET").arg(key(room, "room")).arg("state").query_async(&mut redis).await.expect("the state");
    state[17] = 2;
    redis::cmd("HSET").arg(key(room, "room")).arg("state").arg(&state).exec_async(&mut redis).await.expect("the state");
    for announcement in [&b"Zomething new"[..], &entry] {
        redis::cmd("PUBLISH").arg(key(room, "room")).arg(announcement).exec_async(&mut redis).await.expect("published");
    }

    let log = store.read_log(room, Position::START, 10).await.expect("the log");
    assert_eq!(log[0], sent);
    assert_eq!((log.len(), &log[1].kind), (2, &EventKind::Unknown));
    let item = tokio::time::timeout(TIMEOUT, feed.next()).await.expect("an item in time").expect("a feed");
    let FeedItem::Event(event) = item else { panic!("{item:?}") };
    assert_eq!(*event, log[1]);
    let after = store.commit(kit::send(room, &named_user("ann"), "on")).await.expect("a commit").into_event();
    assert_eq!(after.position.seq, log[1].position.seq.next());
    assert_eq!(store.read_log(room, log[1].position, 10).await.expect("the log"), [after]);
}

#[tokio::test]
async fn fields_of_a_newer_version_are_passed_over_and_kept() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    let sent = store.commit(kit::send(room, &named_user("ann"), "text\n\nzline")).await.expect("a commit").into_event();
    let messages = key(room, "messages");
    let read = async |redis: &mut MultiplexedConnection| -> Vec<u8> {
        redis::cmd("LINDEX").arg(&messages).arg(0).query_async(redis).await.expect("a message")
    };
    let stored = read(&mut redis).await;
    let newer = [&stored[..27], "zü new field\n".as_bytes(), &stored[27..]].concat();
    redis::cmd("LSET").arg(&messages).arg(0).arg(&newer).exec_async(&mut redis).await.expect("a field");

    let message = kit::into_message(sent);
    let page = store.snapshot(room, Some(Window::starting_at(0, 10))).await.expect("the room").messages;
    assert_eq!(page, std::slice::from_ref(&message));
    store.react(kit::reaction(&message, &named_user("bob"), "👍")).await.expect("a reaction");
    store.commit(kit::edit(&message, "edited")).await.expect("an edit");
    let kept = String::from_utf8_lossy(&read(&mut redis).await).into_owned();
    assert!(kept.contains("zü new field\n"), "{kept}");
    let page = store.snapshot(room, Some(Window::starting_at(0, 10))).await.expect("the room").messages;
    assert_eq!(page[0].reactions[0].count, 1);
    assert_eq!(page[0].text.as_ref().map(|text| text.as_str()), Some("edited"));
}

#[tokio::test]
async fn room_without_rules_has_no_field_for_them() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    store.commit(kit::send(room, &named_user("ann"), "hello")).await.expect("a commit");
    let fields = async |redis: &mut MultiplexedConnection| -> (u64, u64) {
        let count = redis::cmd("HLEN").arg(key(room, "room")).query_async(redis).await.expect("a number");
        let length = redis::cmd("HSTRLEN").arg(key(room, "room")).arg("state").query_async(redis).await;
        (count, length.expect("a length"))
    };
    let before = fields(&mut redis).await;
    assert_eq!(before, (4, 44), "state, about, and two fields of the author");
    for locked in [true, false] {
        store.commit(kit::lock(room, locked)).await.expect("a commit");
    }
    store.commit(kit::ban(room, &named_user("ann"))).await.expect("a ban");
    store.commit(kit::unban(room, &named_user("ann"))).await.expect("no ban any more");
    assert_eq!(fields(&mut redis).await, before);
}

#[tokio::test]
async fn rooms_can_be_read_while_redis_cannot_write() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let gone = new_room(&store).await;
    let room = new_room(&store).await;
    redis::cmd("DEL").arg(key(gone, "log")).exec_async(&mut redis).await.expect("an evicted key");
    store.commit(kit::send(room, &named_user("ann"), "hello")).await.expect("a commit");
    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1mb")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut redis).await.expect("less memory");
    }
    let page = store.active_rooms(None, 10).await.expect("a page");
    assert_eq!(page.rooms.iter().map(|state| state.room.id).collect::<Vec<_>>(), [room]);
    assert_eq!(store.viewers_elsewhere(&[room, gone]).await.expect("counts"), [0, 0]);
    assert!(store.present_elsewhere(room).await.expect("users").users.is_empty());
    let client = AttemptingClient { subject: Subject([1; 16]), block: Subject([2; 16]) };
    assert!(matches!(store.trust_client(gone, client, false).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn everything_of_a_room_arrives_with_a_migration() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let embedded = Arc::new(EmbeddedStore::open(&data).expect("a store"));
    let source: Arc<dyn Store> = embedded.clone();
    let settings = RoomSettings { title: Some(RoomTitle::from_stored("A title".into())), ..RoomSettings::default() };
    let room = kit::room_with(&source, settings).await.expect("a room");
    use_everything(&source, room).await;
    let unlisted = kit::new_room(RoomId::random(), &RoomCode::random(6), kit::DAY);
    let unlisted = source.create_room(unlisted).await.expect("a room").room.id;
    let settings = SettingsUpdate { listed: Some(false), ..SettingsUpdate::default() };
    source.commit(kit::update(unlisted, settings)).await.expect("an update");
    let read = async |store: &Arc<dyn Store>| {
        let contents = RoomContents::read(store, room).await.expect("the room");
        let settings = store.snapshot(room, None).await.expect("the room").state.settings;
        let bans = store.bans(room, None, 10).await.expect("the bans");
        let mut members = Vec::new();
        for name in ["owner", "ann", "bob", "eve", "new", "nobody"] {
            let member = store.member(room, &named_user(name).id, None).await.expect("the room");
            let reactions = store.reactions_by(room, &named_user(name).id, &[0, 1, 2]).await.expect("the room");
            members.push((member, reactions));
        }
        (contents, settings, bans, members)
    };
    let before = read(&source).await;
    embedded.close().await;
    drop((source, embedded));

    let server = RedisServer::start().await;
    let report = run_migration(&data, &server.url());
    assert!(report.contains("Rooms: 2 copied"), "{report}");
    let settings = Settings::new(&server.url(), "livechat").expect("settings");
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(settings).await.expect("a store"));
    assert_eq!(read(&store).await, before);
    let listed = store.active_rooms(None, 10).await.expect("a page");
    assert_eq!((listed.rooms.len(), listed.total), (1, 1));
    // The rules hold on.
    for (name, address) in [("bob", 9), ("eve", 9), ("unknown", 2)] {
        let refused = store.commit(kit::send_by(room, kit::at_address(&named_user(name), address), "no")).await;
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{name}: {refused:?}");
    }
    let slow = store.commit(kit::send_by(room, kit::at_address(&named_user("ann"), 1), "too fast")).await;
    assert!(matches!(slow, Err(StoreError::Denied(_))), "{slow:?}");
    let message = &before.0.messages[1];
    let mut last_edit = kit::edit(message, "once more");
    last_edit = kit::with_limits(last_edit, livechat::store::RoomLimits { edits: 1, ..kit::ROOMY });
    assert!(matches!(store.commit(last_edit).await, Err(StoreError::EditLimit)), "the number of edits was forgotten");
    // The marked message gets its entry.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.log_reactions(room).await.expect("the room"), None);
    let log = store.read_log(room, before.0.head, 10).await.expect("the log");
    assert!(matches!(&log[..], [event] if matches!(event.kind, EventKind::ReactionsChanged(_))), "{log:?}");
    store.end_room(room).await.expect("the end");
    let left: Vec<String> =
        redis::cmd("KEYS").arg(format!("*{room}*")).query_async(&mut server.connection().await).await.expect("keys");
    assert!(left.is_empty(), "{left:?}");
}
