//! What only the Redis store can get wrong: keys, connections, restarts, passwords. What every store promises is tested
//! in the conformance suite.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use livechat::domain::event::{EntryTag, Event, Position, Seq};
use livechat::domain::message::{ClientMessageId, MessageText};
use livechat::domain::page::{Take, Window};
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::user::{DisplayName, Token, User, UserId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{
    Admission, Admitted, AttemptLimits, AttemptingClient, Change, CodeAttempt, Commit, Committed, FailureCounters,
    FailureRecord, Feed, FeedItem, LockoutPolicy, PresentedToken, Store, StoreError, Subject,
};
use redis::aio::MultiplexedConnection;

use crate::store::conformance::kit::ROOMY;
use crate::support::redis_server::RedisServer;

const PREFIX: &str = "test";
const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(5);

fn settings(server: &RedisServer) -> Settings {
    Settings::new(&server.url(), PREFIX).expect("settings")
}

async fn connect(server: &RedisServer) -> RedisStore {
    RedisStore::connect(settings(server)).await.expect("a store")
}

async fn new_room(store: &RedisStore) -> RoomId {
    let room = RoomId::random();
    store.create_room(room, &RoomCode::random(6), HOUR).await.expect("a room");
    room
}

fn chatter(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("user-of-{{{name}}}")),
        display_name: DisplayName::from_stored(name.to_owned()),
    }
}

fn send(room: RoomId, text: &str, client_message_id: Option<&str>) -> Commit {
    let client_message_id = client_message_id.map(|id| ClientMessageId::from_stored(id.to_owned()));
    let text = MessageText::from_stored(text.to_owned());
    let change = Change::Send { author: chatter("Ada"), text, client_message_id, limits: ROOMY };
    Commit { room, tag: EntryTag::random(), change }
}

async fn say(store: &RedisStore, room: RoomId, text: &str) -> Event {
    store.commit(send(room, text, None)).await.expect("a commit").into_event()
}

async fn next(feed: &mut Feed) -> FeedItem {
    tokio::time::timeout(PATIENCE, feed.next()).await.expect("an announcement in time").expect("a feed that goes on")
}

async fn next_event(feed: &mut Feed) -> Event {
    match next(feed).await {
        FeedItem::Event(event) => (*event).clone(),
        _ => panic!("a resync where an event was expected"),
    }
}

async fn keys(redis: &mut MultiplexedConnection) -> BTreeSet<String> {
    redis::cmd("KEYS").arg("*").query_async(redis).await.expect("keys")
}

async fn channels(redis: &mut MultiplexedConnection) -> BTreeSet<String> {
    redis::cmd("PUBSUB").arg("CHANNELS").query_async(redis).await.expect("channels")
}

/// Repeats a look until it sees what it should.
async fn eventually<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let start = Instant::now();
    while !look().await {
        assert!(start.elapsed() < PATIENCE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Everything a room and its users do once.
async fn use_typically(store: &RedisStore, room: RoomId) {
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
    let second = say(store, room, "two\nlines").await;
    assert_eq!((first.position.seq, second.position.seq), (Seq(1), Seq(2)));
    let edit =
        Change::Edit { index: 1, revision: Seq(2), text: MessageText::from_stored("three".into()), limits: ROOMY };
    store.commit(Commit { room, tag: EntryTag::random(), change: edit }).await.expect("an edit");
    let delete = Change::Delete { index: 0, revision: Seq(1) };
    store.commit(Commit { room, tag: EntryTag::random(), change: delete }).await.expect("a deletion");
    store.report_viewers(&[(room, 3)]).await.expect("a report");
    store.ping().await.expect("a ping");
}

#[tokio::test]
async fn every_key_expires_and_every_key_of_a_room_carries_its_tag() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_typically(&store, room).await;

    let mut of_room = BTreeSet::new();
    for key in keys(&mut redis).await {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.expect("a time to live");
        assert!(left > 0, "{key} never expires");
        assert!(left <= 3_600_000, "{key} outlives the room");
        assert!(key.starts_with(PREFIX), "{key} is not under the prefix");
        if let Some(name) = key.strip_prefix(&format!("{PREFIX}:{{{room}}}:")) {
            of_room.insert(name.to_owned());
        } else {
            assert!(!key.contains(&room.to_string()), "{key} belongs to the room, but is not in its slot");
        }
    }
    let expected = ["room", "messages", "log", "once", "chatters", "roster", "viewers"];
    assert_eq!(of_room, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn nothing_of_a_room_is_left_once_it_expired() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = RoomId::random();
    store.create_room(room, &RoomCode::random(6), Duration::from_millis(500)).await.expect("a room");
    say(&store, room, "hello").await;
    tokio::time::sleep(Duration::from_millis(550)).await;

    assert!(matches!(store.snapshot(room, None).await, Err(StoreError::NotFound)));
    assert!(matches!(store.commit(send(room, "late", None)).await, Err(StoreError::NotFound)));
    assert!(matches!(store.read_log(room, Position::START, 10).await, Err(StoreError::NotFound)));
    assert_eq!(store.active_rooms(None, 10).await.expect("a page").total, 0);
    assert_eq!(keys(&mut redis).await, BTreeSet::new());
}

/// A node of a cluster refuses a script whose keys are not all in one slot.
#[tokio::test]
async fn the_keys_of_one_call_are_in_one_slot() {
    let server = RedisServer::start_cluster_node().await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    use_typically(&store, room).await;
    assert_eq!(store.read_log(room, Position::START, 10).await.expect("the log").len(), 4);
    assert_eq!(store.users(room, Window::starting_at(0, 10)).await.expect("chatters").total, 1);
    assert_eq!(store.active_rooms(None, 10).await.expect("a page").rooms.len(), 1);
    assert_eq!(store.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
    store.forget_new_user(&chatter("Ada").id, Token::random().hash()).await.expect("nothing");
    guess_typically(&store, room).await;
}

/// Everything about misses and guesses.
async fn guess_typically(store: &RedisStore, room: RoomId) {
    let lockout = LockoutPolicy { max_failures: 1, first: HOUR, longest: HOUR, forget_after: 2 * HOUR };
    let guesser = AttemptingClient { subject: Subject([1; 16]), block: Subject([2; 16]) };
    for _ in 0..2 {
        store.record_failure(guesser.subject, lockout).await.expect("a miss");
    }
    store.undo_failure(guesser.subject, FailureRecord(0)).await.expect("taken back");
    store.record_failure(guesser.block, lockout).await.expect("a miss");
    let limits = Some(AttemptLimits { unrestricted: 0, total: 2 });
    assert_eq!(store.begin_code_attempt(room, guesser, limits).await.expect("a guess"), CodeAttempt::Counted);
    store.trust_client(room, guesser, true).await.expect("welcome");
    let another = AttemptingClient { subject: Subject([3; 16]), block: Subject([4; 16]) };
    assert_eq!(store.begin_code_attempt(room, another, limits).await.expect("a guess"), CodeAttempt::Counted);
}

#[tokio::test]
async fn every_counter_of_misses_and_guesses_expires_by_itself() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    guess_typically(&store, room).await;
    let counters: Vec<_> = keys(&mut redis).await.into_iter().filter(|key| !key.contains("{rooms:")).collect();
    assert_eq!(counters.len(), 5, "{counters:?}");
    for key in counters {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.expect("a time");
        assert!(left > 0, "{key} lives for ever");
    }
}

#[tokio::test]
async fn deleted_text_is_nowhere_in_redis() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    use_typically(&store, room).await;
    let holds_text = async |redis: &mut MultiplexedConnection, text: &str| {
        let mut found = false;
        for key in keys(redis).await {
            let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(redis).await.unwrap_or_default();
            found |= dump.windows(text.len()).any(|window| window == text.as_bytes());
        }
        found
    };
    assert!(holds_text(&mut redis, "three").await, "this test would not find a text that is there");
    assert!(!holds_text(&mut redis, "the secret").await);
}

#[tokio::test]
async fn a_commit_on_one_store_is_announced_on_the_other() {
    let server = RedisServer::start().await;
    let (here, there) = (connect(&server).await, connect(&server).await);
    let room = new_room(&here).await;
    let mut feed = there.feed();
    there.subscribe(room).await.expect("watched");
    for text in ["one", "two\n\nlines", "\u{1f980}: \"quoted\""] {
        let said = say(&here, room, text).await;
        assert_eq!(next_event(&mut feed).await, said);
    }
    here.report_viewers(&[(room, 2)]).await.expect("a report");
    assert_eq!(there.viewers_elsewhere(&[room, RoomId::random()]).await.expect("counts"), [2, 0]);
    assert_eq!(here.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
    here.report_viewers(&[(room, 0)]).await.expect("a report");
    assert_eq!(there.viewers_elsewhere(&[room]).await.expect("counts"), [0]);
}

#[tokio::test]
async fn only_watched_rooms_are_subscribed_to() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let (watched, other) = (new_room(&store).await, new_room(&store).await);
    assert_eq!(channels(&mut redis).await, BTreeSet::new());
    store.subscribe(watched).await.expect("watched");
    store.subscribe(watched).await.expect("watched twice");
    store.subscribe(other).await.expect("watched");
    store.unsubscribe(other);
    let expected: BTreeSet<_> = [format!("{PREFIX}:{{{watched}}}:events")].into();
    eventually("only the watched room is subscribed to", || {
        let (mut redis, expected) = (redis.clone(), expected.clone());
        async move { channels(&mut redis).await == expected }
    })
    .await;
    store.unsubscribe(watched);
    store.subscribe(watched).await.expect("watched again");
    let mut feed = store.feed();
    assert_eq!(say(&store, watched, "hello").await, next_event(&mut feed).await);
}

#[tokio::test]
async fn a_cut_of_the_line_ends_in_a_resync_and_announcements_go_on() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let rooms = [new_room(&store).await, new_room(&store).await];
    let mut feed = store.feed();
    for room in rooms {
        store.subscribe(room).await.expect("watched");
    }
    for _ in 0..3 {
        let cut: u64 =
            redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut redis).await.expect("a cut");
        assert_eq!(cut, 1);
        let start = Instant::now();
        assert!(matches!(next(&mut feed).await, FeedItem::ResyncOf(_)));
        println!("back {:?} after the cut", start.elapsed());
        for room in rooms {
            let said = say(&store, room, "after the cut").await;
            assert_eq!(next_event(&mut feed).await, said);
        }
    }
}

#[tokio::test]
async fn many_rooms_are_watched_at_once_and_again_after_a_cut() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let rooms: Vec<_> = (0..1_000).map(|_| RoomId::random()).collect();
    let start = Instant::now();
    for watched in futures_util::future::join_all(rooms.iter().map(|room| store.subscribe(*room))).await {
        watched.expect("watched");
    }
    println!("watched 1000 rooms in {:?}", start.elapsed());
    let mut feed = store.feed();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec_async(&mut redis).await.expect("a cut");
    let start = Instant::now();
    let mut doubtful = BTreeSet::new();
    while doubtful.len() < rooms.len() {
        match next(&mut feed).await {
            FeedItem::ResyncOf(rooms) => doubtful.extend(rooms.iter().map(ToString::to_string)),
            other => panic!("a resync of rooms was expected, not {other:?}"),
        }
    }
    println!("watched them again in {:?}", start.elapsed());
    assert_eq!(channels(&mut redis).await.len(), rooms.len());
}

#[tokio::test]
async fn commands_and_announcements_come_back_after_redis_was_killed() {
    let mut server = RedisServer::start_durable().await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let said = say(&store, room, "before").await;
    assert_eq!(next_event(&mut feed).await, said);

    server.kill();
    for _ in 0..4 {
        let start = Instant::now();
        let refused = store.commit(send(room, "meanwhile", None)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(start.elapsed() < Duration::from_millis(1_500), "a call took {:?}", start.elapsed());
    }
    let (meanwhile, start) = (new_watch(&store), Instant::now());
    assert!(matches!(meanwhile.await, Err(StoreError::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_millis(1_500));

    server.restart().await;
    let start = Instant::now();
    eventually("commands work again", || async { store.ping().await.is_ok() }).await;
    println!("commands were back after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2), "commands were back only after {:?}", start.elapsed());
    for _ in 0..20 {
        store.ping().await.expect("every connection works again");
    }
    assert!(matches!(next(&mut feed).await, FeedItem::ResyncOf(_)));
    println!("announcements were back after {:?}", start.elapsed());

    let log = store.read_log(room, Position::START, 10).await.expect("the log");
    assert_eq!(log, std::slice::from_ref(&said));
    let after = say(&store, room, "after").await;
    assert_eq!(after.position.seq, said.position.seq.next());
    assert_eq!(next_event(&mut feed).await, after);
}

fn new_watch(store: &RedisStore) -> impl Future<Output = Result<(), StoreError>> + use<> {
    store.subscribe(RoomId::random())
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_given_up_in_time_and_its_line_replaced() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    store.subscribe(room).await.expect("watched");
    let mut feed = store.feed();
    redis::cmd("CLIENT").arg("PAUSE").arg(4_500).arg("ALL").exec_async(&mut redis).await.expect("a pause");
    let start = Instant::now();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_millis(1_500), "the call took {:?}", start.elapsed());
    assert!(matches!(
        tokio::time::timeout(Duration::from_secs(10), feed.next()).await.expect("in time"),
        Some(FeedItem::ResyncOf(_))
    ));
    store.ping().await.expect("a ping");
}

#[tokio::test]
async fn a_password_is_used_and_a_missing_or_wrong_one_is_an_error_that_says_so() {
    let server = RedisServer::start_with_password("open-sesame").await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    assert_eq!(say(&store, room, "hello").await, next_event(&mut feed).await);
    assert!(!format!("{:?}", settings(&server)).contains("sesame"));

    let without = server.url_without_password();
    for (url, says) in [(without.clone(), "NOAUTH"), (without.replace("//", "//:open-barley@"), "WRONGPASS")] {
        let refused = RedisStore::connect(Settings::new(&url, PREFIX).expect("settings")).await;
        let Err(StoreError::Unavailable(source)) = refused else { panic!("{url} was let in") };
        let text = format!("{source}: {}", source.source().expect("a reason"));
        assert!(text.contains("cannot connect to Redis at 127.0.0.1") && text.contains(says), "{text}");
        assert!(!text.contains("barley"), "{text}");
    }
}

#[tokio::test]
async fn no_redis_is_an_error_that_says_so() {
    let mut server = RedisServer::start().await;
    server.kill();
    let start = Instant::now();
    let refused = RedisStore::connect(settings(&server)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_redis_that_cannot_write_fails_the_ping_and_every_write_as_a_whole() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    let said = say(&store, room, "before").await;
    let head = store.snapshot(room, None).await.expect("the room").state.head;

    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1mb")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut redis).await.expect("less memory");
    }
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    let delete = || Commit { room, tag: EntryTag::random(), change: Change::Delete { index: 0, revision: Seq(1) } };
    for commit in [send(room, "no", Some("id")), delete()] {
        assert!(matches!(store.commit(commit).await, Err(StoreError::Unavailable(_))));
    }
    assert!(matches!(
        store.create_room(RoomId::random(), &RoomCode::random(6), HOUR).await,
        Err(StoreError::Unavailable(_))
    ));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).exec_async(&mut redis).await.expect("memory");

    let all = Window { after: None, before: None, take: Take::First(10) };
    let snapshot = store.snapshot(room, Some(all)).await.expect("the room");
    assert_eq!((snapshot.state.head, snapshot.messages), (head, vec![said.message]));
}

/// After a failover, the address may lead to the new primary while the old connection stands and leads to a replica.
#[tokio::test]
async fn a_replica_is_not_written_to_and_not_stayed_with() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    for _ in 0..2 {
        store.ping().await.expect("a ping");
    }
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut redis).await.expect("a replica");
    let connections_before = connections_ever(&mut redis).await;
    for _ in 0..3 {
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    }
    assert!(connections_ever(&mut redis).await > connections_before, "the connection was not replaced");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut redis).await.expect("a primary");
    store.ping().await.expect("a ping");
}

async fn connections_ever(redis: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(redis).await.expect("statistics");
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.and_then(|count| count.parse().ok()).expect("a number of connections")
}

#[tokio::test]
async fn foreign_data_under_our_keys_is_corrupt_not_unavailable() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let room = new_room(&store).await;
    say(&store, room, "hello").await;
    let messages = format!("{PREFIX}:{{{room}}}:messages");
    redis::cmd("HSET").arg(&messages).arg(0).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    let all = Window { after: None, before: None, take: Take::First(10) };
    assert!(matches!(store.snapshot(room, Some(all)).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(store.read_log(room, Position::START, 10).await, Err(StoreError::Corrupt(_))));
    redis::cmd("SET").arg(&messages).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    assert!(matches!(store.snapshot(room, Some(all)).await, Err(StoreError::Corrupt(_))));
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let events = format!("{PREFIX}:{{{room}}}:events");
    redis::cmd("PUBLISH").arg(events).arg("nonsense").exec_async(&mut redis).await.expect("nonsense");
    assert!(matches!(next(&mut feed).await, FeedItem::ResyncOf(_)));
}

#[tokio::test]
async fn repeats_windows_positions_and_tokens_are_kept_as_asked() {
    let server = RedisServer::start().await;
    let store = connect(&server).await;
    let room = new_room(&store).await;
    let first = store.commit(send(room, "0", Some("id"))).await.expect("a commit").into_event();
    for n in 1..700 {
        say(&store, room, &n.to_string()).await;
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
    // Somebody was admitted since the user was made known.
    store.forget_new_user(&bob.id, tokens[2].hash()).await.expect("nothing");
    assert_eq!(admit(None, 3, true).await.expect("an answer"), Admitted::WrongToken);
}

#[tokio::test]
async fn the_list_of_rooms_is_paged_and_skips_what_is_gone() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    let mut rooms = Vec::new();
    for _ in 0..7 {
        rooms.insert(0, new_room(&store).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for gone in [1, 2] {
        let key = format!("{PREFIX}:{{{}}}:room", rooms[gone]);
        redis::cmd("DEL").arg(key).exec_async(&mut redis).await.expect("a room gone");
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
async fn closing_ends_the_listening() {
    let server = RedisServer::start().await;
    let (store, mut redis) = (connect(&server).await, server.connection().await);
    store.subscribe(RoomId::random()).await.expect("watched");
    assert_eq!(channels(&mut redis).await.len(), 1);
    store.close().await;
    eventually("nobody is subscribed", || {
        let mut redis = redis.clone();
        async move { channels(&mut redis).await.is_empty() }
    })
    .await;
}
