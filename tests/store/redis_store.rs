//! Behavior of the Redis store alone: keys, connections, restarts, passwords. The contract of every store is tested in the
//! conformance suite.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use livechat::domain::event::Event;
use livechat::domain::page::{Take, Window};
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::token::Token;
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{
    Admission, Admitted, AttemptLimits, AttemptingClient, CodeAttempt, Commit, Committed, FailureCounters,
    FailureRecord, Feed, FeedItem, LockoutPolicy, PresentedToken, Store, StoreError, Subject,
};
use redis::aio::MultiplexedConnection;

use crate::store::conformance::kit;
use crate::support::redis_server::RedisServer;
use crate::support::{TIMEOUT, eventually};

const PREFIX: &str = "test";
const HOUR: Duration = Duration::from_secs(3600);

fn settings(server: &RedisServer) -> Settings {
    Settings::new(&server.url(), PREFIX).expect("settings")
}

async fn connect(server: &RedisServer) -> RedisStore {
    RedisStore::connect(settings(server)).await.expect("a store")
}

/// A key or channel of a room, in the current layout.
fn room_key(room: RoomId, name: &str) -> String {
    format!("{PREFIX}:1:{{{room}}}:{name}")
}

async fn new_room(store: &RedisStore) -> RoomId {
    let room = RoomId::random();
    store.create_room(kit::new_room(room, &RoomCode::random(6), HOUR)).await.expect("a room");
    room
}

fn chatter(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("user-of-{{{name}}}")),
        display_name: DisplayName::from_stored(name.to_owned()),
        avatar_url: None,
    }
}

fn send(room: RoomId, text: &str, client_message_id: Option<&str>) -> Commit {
    match client_message_id {
        Some(id) => kit::send_with_id(room, &chatter("Ada"), text, id),
        None => kit::send(room, &chatter("Ada"), text),
    }
}

async fn send_text(store: &RedisStore, room: RoomId, text: &str) -> Event {
    store.commit(send(room, text, None)).await.expect("a commit").into_event()
}

/// The result of what must not hang.
async fn in_time<T>(operation: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, operation).await.expect("an end in time")
}

async fn next_item(feed: &mut Feed) -> FeedItem {
    in_time(feed.next()).await.expect("a feed that continues")
}

async fn next_event(feed: &mut Feed) -> Event {
    match next_item(feed).await {
        FeedItem::Event(event) => (*event).clone(),
        _ => panic!("a resync where an event was expected"),
    }
}

/// All keys but the one of the layout, which stays.
async fn keys(redis: &mut MultiplexedConnection) -> BTreeSet<String> {
    let mut keys: BTreeSet<_> = redis::cmd("KEYS").arg("*").query_async(redis).await.expect("keys");
    assert!(keys.remove(&format!("{PREFIX}:layout")), "no key names the layout");
    keys
}

async fn channels(redis: &mut MultiplexedConnection) -> BTreeSet<String> {
    redis::cmd("PUBSUB").arg("CHANNELS").query_async(redis).await.expect("channels")
}

/// Runs every operation on a room and its users once.
async fn use_room(store: &RedisStore, room: RoomId) {
    let token = Token::random();
    let keep_until = store.snapshot(room, None).await.expect("the room").state.room.expires_at;
    let admission = Admission {
        user: chatter("Ada").id,
        presented: None,
        next_token: token.hash(),
        keep_until,
        register_as: Some(chatter("Ada").display_name),
    };
    assert_eq!(store.authenticate(admission.clone()).await.expect("admitted"), Admitted::Created(chatter("Ada")));
    assert_eq!(store.authenticate(admission).await.expect("an answer"), Admitted::WrongToken);

    let first = store.commit(send(room, "the secret", Some("a: 1"))).await.expect("a commit").into_event();
    let second = send_text(store, room, "two\nlines").await;
    assert_eq!((first.position.seq, second.position.seq), (Seq(1), Seq(2)));
    store.commit(kit::edit(kit::message_of(&second), "three")).await.expect("an edit");
    store.commit(kit::delete(kit::message_of(&first))).await.expect("a deletion");
    store.report_viewers(&[(room, 3)]).await.expect("a report");
    store.ping().await.expect("a ping");
}

#[tokio::test]
async fn every_key_expires_and_every_key_of_a_room_has_its_hash_tag() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_room(&store, room).await;

    let mut room_keys = BTreeSet::new();
    for key in keys(&mut redis).await {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.expect("a time to live");
        assert!(left > 0, "{key} never expires");
        assert!(left <= 3_600_000, "{key} outlives the room");
        assert!(key.starts_with(PREFIX), "{key} is not under the prefix");
        if let Some(name) = key.strip_prefix(&room_key(room, "")) {
            room_keys.insert(name.to_owned());
        } else {
            assert!(!key.contains(&room.to_string()), "{key} belongs to the room but lacks its hash tag");
        }
    }
    let expected = ["room", "messages", "log", "viewers"];
    assert_eq!(room_keys, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn expired_room_leaves_no_key() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = RoomId::random();
    store.create_room(kit::new_room(room, &RoomCode::random(6), Duration::from_secs(2))).await.expect("a room");
    send_text(&store, room, "hello").await;
    eventually("the room is gone", async || matches!(store.snapshot(room, None).await, Err(StoreError::NotFound)))
        .await;
    assert!(matches!(store.commit(send(room, "late", None)).await, Err(StoreError::NotFound)));
    assert!(matches!(store.read_log(room, Position::START, 10).await, Err(StoreError::NotFound)));
    assert_eq!(store.active_rooms(None, 10).await.expect("a page").total, 0);
    assert_eq!(keys(&mut redis).await, BTreeSet::new());
}

#[tokio::test]
async fn data_of_another_layout_is_left_alone() {
    let server = RedisServer::start().await;
    let mut redis = server.connection().await;
    redis::cmd("SET").arg(format!("{PREFIX}:layout")).arg(2).exec_async(&mut redis).await.expect("another layout");
    let Err(StoreError::Unavailable(cause)) = RedisStore::connect(settings(&server)).await else {
        panic!("another layout was accepted")
    };
    assert!(cause.to_string().contains("layout 2") && cause.to_string().contains("REDIS_PREFIX"), "{cause}");
    assert_eq!(keys(&mut redis).await, BTreeSet::new());
    let layout: u64 = redis::cmd("GET").arg(format!("{PREFIX}:layout")).query_async(&mut redis).await.expect("a key");
    assert_eq!(layout, 2);
    // Another prefix has data of its own.
    RedisStore::connect(Settings::new(&server.url(), "other").expect("settings")).await.expect("a store");
}

/// A node of a cluster rejects a script whose keys are not all in one slot.
#[tokio::test]
async fn keys_of_one_call_are_in_one_slot() {
    let server = RedisServer::start_cluster_node().await;
    let store = RedisStore::connect(settings(&server).in_cluster()).await.expect("a store");
    let room = new_room(&store).await;
    use_room(&store, room).await;
    assert_eq!(store.read_log(room, Position::START, 10).await.expect("the log").len(), 4);
    assert_eq!(store.users(room, Window::starting_at(0, 10)).await.expect("chatters").total, 1);
    assert_eq!(store.active_rooms(None, 10).await.expect("a page").rooms.len(), 1);
    assert_eq!(store.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
    store.forget_new_user(&chatter("Ada").id, Token::random().hash()).await.expect("nothing");
    use_lockouts(&store, room).await;
}

/// Runs every operation on lockouts and code attempts once.
async fn use_lockouts(store: &RedisStore, room: RoomId) {
    let lockout = LockoutPolicy { max_failures: 1, first: HOUR, longest: HOUR, forget_after: 2 * HOUR };
    let client = AttemptingClient { subject: Subject([1; 16]), block: Subject([2; 16]) };
    for _ in 0..2 {
        store.record_failure(client.subject, lockout).await.expect("a failure");
    }
    store.undo_failure(client.subject, FailureRecord(0)).await.expect("undone");
    store.record_failure(client.block, lockout).await.expect("a failure");
    let limits = Some(AttemptLimits { unrestricted: 0, total: 2 });
    assert_eq!(store.begin_code_attempt(room, client, limits).await.expect("an attempt"), CodeAttempt::Counted);
    store.trust_client(room, client, true).await.expect("trusted");
    let another = AttemptingClient { subject: Subject([3; 16]), block: Subject([4; 16]) };
    assert_eq!(store.begin_code_attempt(room, another, limits).await.expect("an attempt"), CodeAttempt::Counted);
}

#[tokio::test]
async fn every_failure_counter_expires() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_lockouts(&store, room).await;
    let counters: Vec<_> = keys(&mut redis).await.into_iter().filter(|key| !key.contains("{rooms:")).collect();
    assert_eq!(counters.len(), 6, "{counters:?}");
    for key in counters {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.expect("a time");
        assert!(left > 0, "{key} never expires");
    }
}

#[tokio::test]
async fn deleted_text_is_in_no_key() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_room(&store, room).await;
    let holds_text = async |redis: &mut MultiplexedConnection, text: &str| {
        let mut found = false;
        for key in keys(redis).await {
            let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(redis).await.unwrap_or_default();
            found |= dump.windows(text.len()).any(|window| window == text.as_bytes());
        }
        found
    };
    assert!(holds_text(&mut redis, "three").await, "this test does not find an existing text");
    assert!(!holds_text(&mut redis, "the secret").await);
}

#[tokio::test]
async fn commit_is_announced_to_other_stores() {
    let server = RedisServer::start().await;
    let (sender, receiver) = (connect(&server).await, connect(&server).await);
    let room = new_room(&sender).await;
    let mut feed = receiver.feed();
    receiver.subscribe(room).await.expect("watched");
    for text in ["one", "two\n\nlines", "\u{1f980}: \"quoted\""] {
        let sent = send_text(&sender, room, text).await;
        assert_eq!(next_event(&mut feed).await, sent);
    }
    sender.report_viewers(&[(room, 2)]).await.expect("a report");
    assert_eq!(receiver.viewers_elsewhere(&[room, RoomId::random()]).await.expect("counts"), [2, 0]);
    assert_eq!(sender.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
    sender.report_viewers(&[(room, 0)]).await.expect("a report");
    assert_eq!(receiver.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
}

#[tokio::test]
async fn only_watched_rooms_are_subscribed() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let (watched, other) = (new_room(&store).await, new_room(&store).await);
    assert_eq!(channels(&mut redis).await, BTreeSet::new());
    store.subscribe(watched).await.expect("watched");
    store.subscribe(watched).await.expect("watched twice");
    store.subscribe(other).await.expect("watched");
    store.unsubscribe(other);
    let expected: BTreeSet<_> = [room_key(watched, "room")].into();
    eventually("only the watched room is subscribed", || {
        let (mut redis, expected) = (redis.clone(), expected.clone());
        async move { channels(&mut redis).await == expected }
    })
    .await;
    store.unsubscribe(watched);
    store.subscribe(watched).await.expect("watched again");
    let mut feed = store.feed();
    assert_eq!(send_text(&store, watched, "hello").await, next_event(&mut feed).await);
}

#[tokio::test]
async fn lost_pubsub_connection_causes_a_resync_and_announcements_continue() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let rooms = [new_room(&store).await, new_room(&store).await];
    let mut feed = store.feed();
    for room in rooms {
        store.subscribe(room).await.expect("watched");
    }
    for _ in 0..3 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("pubsub");
        assert_eq!(kill.query_async::<u64>(&mut redis).await.expect("a lost connection"), 1);
        let start = Instant::now();
        assert!(matches!(next_item(&mut feed).await, FeedItem::ResyncOf(_)));
        println!("subscribed again after {:?}", start.elapsed());
        for room in rooms {
            let sent = send_text(&store, room, "after the loss").await;
            assert_eq!(next_event(&mut feed).await, sent);
        }
    }
}

#[tokio::test]
async fn thousand_rooms_are_subscribed_at_once_and_again_after_a_connection_loss() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let rooms: Vec<_> = (0..1_000).map(|_| RoomId::random()).collect();
    let start = Instant::now();
    for watched in futures_util::future::join_all(rooms.iter().map(|room| store.subscribe(*room))).await {
        watched.expect("watched");
    }
    println!("subscribed 1000 rooms in {:?}", start.elapsed());
    let mut feed = store.feed();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec_async(&mut redis).await.expect("a lost connection");
    let start = Instant::now();
    let mut resynced = BTreeSet::new();
    while resynced.len() < rooms.len() {
        match next_item(&mut feed).await {
            FeedItem::ResyncOf(rooms) => resynced.extend(rooms.iter().map(ToString::to_string)),
            other => panic!("a resync of rooms was expected, not {other:?}"),
        }
    }
    println!("subscribed them again in {:?}", start.elapsed());
    assert_eq!(channels(&mut redis).await.len(), rooms.len());
}

#[tokio::test]
async fn commands_and_announcements_recover_after_redis_was_killed() {
    let mut server = RedisServer::start_durable().await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let sent = send_text(&store, room, "before").await;
    assert_eq!(next_event(&mut feed).await, sent);

    server.kill();
    for _ in 0..4 {
        let result = in_time(store.commit(send(room, "meanwhile", None))).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    assert!(matches!(in_time(store.subscribe(RoomId::random())).await, Err(StoreError::Unavailable(_))));

    server.restart().await;
    let start = Instant::now();
    eventually("commands work again", || async { store.ping().await.is_ok() }).await;
    println!("commands worked again after {:?}", start.elapsed());
    for _ in 0..20 {
        store.ping().await.expect("every connection works again");
    }
    assert!(matches!(next_item(&mut feed).await, FeedItem::ResyncOf(_)));
    println!("announcements worked again after {:?}", start.elapsed());

    let log = store.read_log(room, Position::START, 10).await.expect("the log");
    assert_eq!(log, std::slice::from_ref(&sent));
    let after = send_text(&store, room, "after").await;
    assert_eq!(after.position.seq, sent.position.seq.next());
    assert_eq!(next_event(&mut feed).await, after);
}

#[tokio::test]
async fn silent_redis_times_out_and_its_connection_is_replaced() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    store.subscribe(room).await.expect("watched");
    let mut feed = store.feed();
    redis::cmd("CLIENT").arg("PAUSE").arg(4_500).arg("ALL").exec_async(&mut redis).await.expect("a pause");
    // The ping fails before the pause ends. Otherwise it would succeed.
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(in_time(feed.next()).await, Some(FeedItem::ResyncOf(_))));
    store.ping().await.expect("a ping");
}

#[tokio::test]
async fn missing_or_wrong_password_is_reported() {
    let server = RedisServer::start_with_password("open-sesame").await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    assert_eq!(send_text(&store, room, "hello").await, next_event(&mut feed).await);
    assert!(!format!("{:?}", settings(&server)).contains("sesame"));

    let without = server.url_without_password();
    for (url, reply) in [(without.clone(), "NOAUTH"), (without.replace("//", "//:open-barley@"), "WRONGPASS")] {
        let result = RedisStore::connect(Settings::new(&url, PREFIX).expect("settings")).await;
        let Err(StoreError::Unavailable(source)) = result else { panic!("{url} was accepted") };
        let text = format!("{source}: {}", source.source().expect("a reason"));
        assert!(text.contains("cannot connect to Redis at 127.0.0.1") && text.contains(reply), "{text}");
        assert!(!text.contains("barley"), "{text}");
    }
}

#[tokio::test]
async fn connecting_without_redis_fails_in_time() {
    let mut server = RedisServer::start().await;
    server.kill();
    let result = in_time(RedisStore::connect(settings(&server))).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn redis_that_cannot_write_fails_pings_and_changes_nothing() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    let sent = send_text(&store, room, "before").await;
    let head = store.snapshot(room, None).await.expect("the room").state.head;

    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1mb")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut redis).await.expect("less memory");
    }
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    for commit in [send(room, "no", Some("id")), kit::delete(kit::message_of(&sent))] {
        assert!(matches!(store.commit(commit).await, Err(StoreError::Unavailable(_))));
    }
    assert!(matches!(
        store.create_room(kit::new_room(RoomId::random(), &RoomCode::random(6), HOUR)).await,
        Err(StoreError::Unavailable(_))
    ));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).exec_async(&mut redis).await.expect("memory");

    let all = Window { after: None, before: None, take: Take::First(10) };
    let snapshot = store.snapshot(room, Some(all)).await.expect("the room");
    assert_eq!((snapshot.state.head, snapshot.messages), (head, vec![kit::into_message(sent)]));
}

/// After a failover the address may lead to the new primary, while an old connection still leads to a replica.
#[tokio::test]
async fn connection_to_a_replica_is_replaced() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    for _ in 0..2 {
        store.ping().await.expect("a ping");
    }
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut redis).await.expect("a replica");
    let connections_before = connection_count(&mut redis).await;
    for _ in 0..3 {
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    }
    assert!(connection_count(&mut redis).await > connections_before, "the connection was not replaced");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut redis).await.expect("a primary");
    store.ping().await.expect("a ping");
}

async fn connection_count(redis: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(redis).await.expect("statistics");
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.and_then(|count| count.parse().ok()).expect("a number of connections")
}

#[tokio::test]
async fn foreign_data_under_our_keys_is_corrupt() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    send_text(&store, room, "hello").await;
    let messages = room_key(room, "messages");
    redis::cmd("LSET").arg(&messages).arg(0).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    let all = Window { after: None, before: None, take: Take::First(10) };
    assert!(matches!(store.snapshot(room, Some(all)).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.read_log(room, Position::START, 10).await, Err(StoreError::Corrupt(_))));
    redis::cmd("SET").arg(&messages).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    assert!(matches!(store.snapshot(room, Some(all)).await, Err(StoreError::Corrupt(_))));
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let events = room_key(room, "room");
    redis::cmd("PUBLISH").arg(events).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    assert!(matches!(next_item(&mut feed).await, FeedItem::ResyncOf(_)));
}

#[tokio::test]
async fn repeats_windows_positions_and_tokens_follow_the_contract() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let first = store.commit(send(room, "0", Some("id"))).await.expect("a commit").into_event();
    for n in 1..700 {
        send_text(&store, room, &n.to_string()).await;
    }
    assert_eq!(store.commit(send(room, "x", Some("id"))).await.expect("a repeat"), Committed::Repeated(first.clone()));
    let log = store.read_log(room, Position::START, 1_000).await.expect("the log");
    assert_eq!(log.len(), 700);
    assert_eq!(store.read_log(room, log[9].position, 3).await.expect("the log"), log[10..13]);
    assert_eq!(store.read_log(room, log[699].position, 3).await.expect("the log"), []);
    let foreign = |seq, tag| Position { seq: Seq(seq), tag: EntryTag(tag) };
    for position in [foreign(0, 1), foreign(10, 1), foreign(701, 1), foreign(u64::MAX, 1)] {
        let answer = store.read_log(room, position, 3).await;
        assert!(matches!(answer, Err(StoreError::ForeignPosition)), "{position:?}: {answer:?}");
    }
    for (after, before, take) in [
        (None, None, Take::First(600)),
        (Some(3), Some(7), Take::Last(2)),
        (Some(u64::MAX), None, Take::First(5)),
        (Some(690), Some(u64::MAX), Take::Last(100)),
        (Some(5), Some(2), Take::Last(3)),
    ] {
        let window = Window { after, before, take };
        let snapshot = store.snapshot(room, Some(window)).await.expect("the room");
        let indexes: Vec<_> = snapshot.messages.iter().map(|message| message.id.index).collect();
        assert_eq!(indexes, window.range(700).collect::<Vec<_>>());
    }
    let page = store.users(room, Window::starting_at(0, 10)).await.expect("chatters");
    assert_eq!((page.users, page.total), (vec![chatter("Ada")], 1));

    let tokens: Vec<_> = (0..4).map(|_| Token::random()).collect();
    let admit = |presented: Option<usize>, next_token: usize, newcomer: bool| {
        store.authenticate(Admission {
            user: chatter("Bob").id,
            presented: presented.map(|n| PresentedToken {
                hash: tokens[n].hash(),
                sealed_next_token: tokens[n].seal(&tokens[next_token]),
            }),
            next_token: tokens[next_token].hash(),
            keep_until: first.at.plus(HOUR),
            register_as: newcomer.then(|| chatter("Bob").display_name),
        })
    };
    let (bob, sealed) = (chatter("Bob"), |token: usize, next_token: usize| tokens[token].seal(&tokens[next_token]));
    assert_eq!(admit(Some(0), 1, false).await.expect("an answer"), Admitted::Unknown);
    assert_eq!(admit(Some(0), 1, true).await.expect("an answer"), Admitted::Created(bob.clone()));
    assert_eq!(admit(Some(0), 2, true).await.expect("an answer"), Admitted::Repeated(bob.clone(), sealed(0, 1)));
    assert_eq!(admit(Some(1), 2, true).await.expect("an answer"), Admitted::Rotated(bob.clone()));
    assert_eq!(admit(Some(0), 3, true).await.expect("an answer"), Admitted::WrongToken);
    assert_eq!(admit(Some(1), 3, true).await.expect("an answer"), Admitted::Repeated(bob.clone(), sealed(1, 2)));
    store.forget_new_user(&bob.id, tokens[1].hash()).await.expect("nothing");
    assert_eq!(admit(None, 3, true).await.expect("an answer"), Admitted::WrongToken);
    // The user was authenticated again since its registration.
    store.forget_new_user(&bob.id, tokens[2].hash()).await.expect("nothing");
    assert_eq!(admit(None, 3, true).await.expect("an answer"), Admitted::WrongToken);
}

#[tokio::test]
async fn list_room_keyss_is_paged_and_skips_missing_rooms() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let mut rooms = Vec::new();
    for _ in 0..7 {
        rooms.insert(0, new_room(&store).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for deleted in [1, 2] {
        redis::cmd("DEL").arg(room_key(rooms[deleted], "room")).exec_async(&mut redis).await.expect("a deleted room");
    }
    let mut expected = rooms.clone();
    expected.drain(1..3);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.active_rooms(after, 2).await.expect("a page");
        assert!(page.rooms.len() == 2 || !page.more);
        found.extend(page.rooms.iter().map(|state| state.room.id));
        let last = page.rooms.last().expect("a room");
        after = Some((last.room.created_at, last.room.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn close_ends_all_subscriptions() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    store.subscribe(RoomId::random()).await.expect("watched");
    assert_eq!(channels(&mut redis).await.len(), 1);
    store.close().await;
    eventually("all subscriptions are ended", || {
        let mut redis = redis.clone();
        async move { channels(&mut redis).await.is_empty() }
    })
    .await;
}
