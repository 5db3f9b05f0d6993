//! Behavior of the Redis store on a cluster: unavailable nodes, migrating slots, data on all nodes. The contract of every store is
//! tested in the conformance suite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use livechat::domain::message::MessageText;
use livechat::domain::position::{EntryTag, Position};
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::Token;
use livechat::domain::user::{DisplayName, UserId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{
    Admission, Admitted, Commit, FeedItem, NewMessage, PresentedToken, RoomLimits, Store, StoreError,
};

use crate::store::conformance::kit::{self, ROOMY};
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::redis_server::RedisServer;
use crate::support::{TIMEOUT, eventually};

const HOUR: Duration = Duration::from_secs(3600);
const PREFIX: &str = "test";

fn settings(cluster: &RedisCluster) -> Settings {
    Settings::new(&cluster.url(), PREFIX).expect("settings")
}

async fn connect(settings: Settings) -> Arc<RedisStore> {
    Arc::new(RedisStore::connect(settings).await.expect("a store on the cluster"))
}

async fn three_primaries() -> (RedisCluster, Arc<RedisStore>) {
    let cluster = RedisCluster::with(3, 0, &[]).await;
    let store = connect(settings(&cluster)).await;
    (cluster, store)
}

async fn new_room(store: &RedisStore) -> RoomId {
    let room = RoomId::random();
    store.create_room(kit::new_room(room, &RoomCode::random(6), HOUR)).await.expect("a room");
    room
}

/// A room on this primary.
async fn room_on(store: &RedisStore, cluster: &RedisCluster, primary: usize) -> RoomId {
    loop {
        let room = new_room(store).await;
        if cluster.owner(slot_of(&room.to_string())).await == Some(primary) {
            return room;
        }
    }
}

fn send(room: RoomId, text: &str) -> Commit {
    kit::send(room, &kit::named_user("ada"), text)
}

#[tokio::test]
async fn frozen_primary_delays_only_commands_for_its_own_rooms() {
    let mut cluster = RedisCluster::with(3, 0, &[]).await;
    // A call that waits for the frozen node takes much longer than the others, even on a slow machine.
    let store = connect(settings(&cluster).with_timeout(Duration::from_secs(15))).await;
    let frozen = room_on(&store, &cluster, 0).await;
    let others = [room_on(&store, &cluster, 1).await, room_on(&store, &cluster, 2).await];
    cluster.freeze(0);
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(send(frozen, "waits")).await })
    };
    // Meanwhile the topology is refreshed, and one of the nodes does not answer.
    for n in 0..100 {
        store.commit(send(others[n % 2], "does not wait")).await.expect("a commit");
    }
    assert!(!waiting.is_finished(), "commands for other rooms were delayed, too");
    assert!(matches!(waiting.await.expect("a task"), Err(StoreError::Unavailable(_))));
    store.ping().await.expect("most primaries take writes");
    cluster.thaw(0);
    eventually("the shard is back", || async { store.commit(send(frozen, "again")).await.is_ok() }).await;
}

#[tokio::test]
async fn commit_of_unknown_outcome_is_not_retried() {
    let (mut cluster, store) = three_primaries().await;
    let long_timeout = connect(settings(&cluster).with_timeout(Duration::from_secs(20))).await;
    let short_timeout = connect(settings(&cluster).with_timeout(Duration::from_secs(1))).await;
    let rooms = [room_on(&store, &cluster, 0).await, room_on(&store, &cluster, 0).await];
    short_timeout.commit(send(rooms[0], "known")).await.expect("a commit");
    cluster.freeze(0);
    let late = short_timeout.commit(send(rooms[0], "late")).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    cluster.thaw(0);
    cluster.wait_until_settled().await;
    // A connection that is lost while the reply is awaited.
    cluster.node(0).command(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;
    let lost = tokio::spawn(async move { long_timeout.commit(send(rooms[1], "lost")).await });
    eventually("the commit has reached Redis", || async {
        cluster.node(0).query::<String>(&["INFO", "clients"]).await.contains("blocked_clients:1")
    })
    .await;
    cluster.node(0).command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let lost = lost.await.expect("a task");
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    cluster.node(0).command(&["CLIENT", "UNPAUSE"]).await;
    eventually("the node takes writes", || async { store.commit(send(rooms[1], "last")).await.is_ok() }).await;
    for room in rooms {
        let log = store.read_log(room, Position::START, 10).await.expect("the log");
        assert!(log.len() <= 2, "a commit was retried: {log:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn author_of_an_accepted_message_stays_registered_when_a_concurrent_first_message_is_refused() {
    const TRIES: usize = 300;
    let (cluster, store) = three_primaries().await;
    let other = connect(settings(&cluster)).await;
    let (full, roomy) = (room_on(&store, &cluster, 0).await, room_on(&store, &cluster, 1).await);
    store.commit(send(full, "the only one")).await.expect("a commit");
    let sending = |room: RoomId, capacity: u64| NewMessage {
        room,
        tag: EntryTag::random(),
        text: MessageText::from_stored("hello".into()),
        client_message_id: None,
        reply_to: None,
        is_owner: false,
        address: None,
        limits: RoomLimits { messages: capacity, ..ROOMY },
    };
    let mut claimed = 0;
    for n in 0..TRIES {
        let (user, own) = (UserId::from_stored(format!("newcomer {n}")), Token::random());
        let admission = |token: Option<Token>| {
            let next_token = Token::random();
            let presented = |own: Token| PresentedToken { hash: own.hash(), sealed_next_token: own.seal(&next_token) };
            Admission {
                user: user.clone(),
                presented: token.map(presented),
                next_token: next_token.hash(),
                keep_until: Timestamp::from_millis(4_000_000_000_000),
                register_as: Some(DisplayName::from_stored("Nat".into())),
            }
        };
        let (refused, accepted) = tokio::join!(
            store.send(admission(Some(own)), sending(full, 1)),
            other.send(admission(Some(own)), sending(roomy, 1_000))
        );
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        assert!(accepted.expect("an answer").committed.is_some());
        // Another client, without a token.
        claimed += usize::from(store.authenticate(admission(None)).await.expect("an answer") != Admitted::WrongToken);
    }
    assert_eq!(claimed, 0, "authors' ids that another client could claim, of {TRIES}");
}

#[tokio::test]
async fn commit_during_a_slot_migration_waits_and_is_announced() {
    let (cluster, store) = three_primaries().await;
    let long_timeout = connect(settings(&cluster).with_timeout(Duration::from_secs(20))).await;
    let room = room_on(&store, &cluster, 0).await;
    let slot = slot_of(&room.to_string());
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let before = store.commit(send(room, "before")).await.expect("a commit").into_event();
    assert!(matches!(feed.next().await, Some(FeedItem::Event(event)) if *event == before));

    let from = cluster.begin_move(slot, 1).await;
    let meanwhile = tokio::spawn(async move { long_timeout.commit(send(room, "meanwhile")).await });
    while cluster.move_keys(slot, from, 1).await {}
    let half_way = store.read_log(room, before.position, 10).await;
    assert!(matches!(half_way, Ok(_) | Err(StoreError::Unavailable(_))), "{half_way:?}");
    cluster.end_move(slot, from, 1).await;
    let meanwhile = meanwhile.await.expect("a task").expect("a commit").into_event();
    assert_eq!(store.read_log(room, before.position, 10).await.expect("the log"), std::slice::from_ref(&meanwhile));

    let (mut resynced, mut after) = (false, None);
    while !resynced || after.is_none() {
        // Events that are published before the feed has moved are covered by its resync.
        let next = tokio::time::timeout(TIMEOUT, feed.next());
        match next.await.expect("an announcement in time").expect("a feed that continues") {
            FeedItem::Event(event) => {
                assert!(event.position.seq > before.position.seq, "announced twice: {event:?}");
                after = Some(event.position.seq);
            }
            FeedItem::ResyncOf(rooms) => {
                assert_eq!(*rooms, [room]);
                resynced = true;
                store.commit(send(room, "after")).await.expect("a commit");
            }
            FeedItem::Resync => panic!("only one room had a gap"),
            item => panic!("an item that nobody caused: {item:?}"),
        }
    }
    // Only the new node has a subscription.
    let subscriptions = join_all((0..3).map(async |node| {
        let channels: Vec<String> = cluster.node(node).query(&["PUBSUB", "SHARDCHANNELS"]).await;
        channels.len()
    }));
    assert_eq!(subscriptions.await, [0, 1, 0]);
}

#[tokio::test]
async fn deletions_bans_and_reactions_wait_while_their_slot_migrates_and_run_once() {
    let (cluster, store) = three_primaries().await;
    let long_timeout = connect(settings(&cluster).with_timeout(Duration::from_secs(20))).await;
    let short_timeout = connect(settings(&cluster).with_timeout(Duration::from_secs(1))).await;
    let room = room_on(&store, &cluster, 0).await;
    let mut messages = Vec::new();
    for user in ["ann", "bob", "carol"].map(kit::named_user) {
        let sent = store.commit(kit::send(room, &user, "hello")).await.expect("a commit").into_event();
        messages.push(kit::into_message(sent));
    }
    let after = store.snapshot(room, None).await.expect("the room").state.head;
    let slot = slot_of(&room.to_string());
    let from = cluster.begin_move(slot, 1).await;
    // These scripts also get keys that do not exist. Until the slot has moved, no node runs them: the answer is TRYAGAIN.
    let refused = short_timeout.commit(kit::delete(&messages[2])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let waiting: Vec<_> = [kit::delete(&messages[0]), kit::ban(room, &messages[1].author)]
        .into_iter()
        .map(|commit| {
            let store = long_timeout.clone();
            tokio::spawn(async move { store.commit(commit).await })
        })
        .collect();
    let reacting = {
        let (store, reaction) = (long_timeout.clone(), kit::reaction(&messages[2], &messages[0].author, "👍"));
        tokio::spawn(async move { store.react(reaction).await })
    };
    while cluster.move_keys(slot, from, 1).await {}
    let refused = short_timeout.commit(kit::ban(room, &messages[2].author)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(waiting.iter().all(|task| !task.is_finished()) && !reacting.is_finished(), "something did not wait");
    cluster.end_move(slot, from, 1).await;
    for task in waiting {
        task.await.expect("a task").expect("a commit");
    }
    reacting.await.expect("a task").expect("a reaction");
    let log = store.read_log(room, after, 10).await.expect("the log");
    let kinds = ["Deleted", "UserBanned", "ReactionsChanged"];
    let count = |kind: &str| log.iter().filter(|event| format!("{:?}", event.kind).starts_with(kind)).count();
    assert_eq!((log.len(), kinds.map(count)), (3, [1, 1, 1]), "{log:?}");
}

#[tokio::test]
async fn ping_succeeds_while_most_primaries_take_writes() {
    let (mut cluster, store) = three_primaries().await;
    store.ping().await.expect("all primaries take writes");
    cluster.kill(0);
    store.ping().await.expect("two of three primaries take writes");
    cluster.kill(1);
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn single_redis_is_rejected_as_a_cluster_with_advice() {
    let single = RedisServer::start().await;
    let settings = Settings::new(&single.url(), PREFIX).expect("settings").in_cluster();
    let Err(StoreError::Unavailable(cause)) = RedisStore::connect(settings).await else {
        panic!("a single Redis was accepted as a cluster")
    };
    assert!(cause.to_string().contains("REDIS_CLUSTER"), "{cause}");
}

/// Counts the commands that a page of rooms needs. The refreshes of the topology are not counted.
async fn count_calls(cluster: &RedisCluster) -> u64 {
    const OF_A_PAGE: [&str; 5] = ["evalsha", "zcount", "zrevrangebylex", "zrangebyscore", "hmget"];
    let mut calls = 0;
    for node in cluster.running() {
        let info: String = cluster.node(node).query(&["INFO", "all"]).await;
        for line in info.lines() {
            let figures = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls="));
            if let Some((_, figures)) = figures.filter(|(command, _)| OF_A_PAGE.contains(command)) {
                calls += figures.split(',').next().and_then(|count| count.parse::<u64>().ok()).expect("a count");
            }
        }
    }
    calls
}

#[tokio::test]
async fn page_of_rooms_costs_the_same_with_a_hundred_thousand_rooms_as_with_forty() {
    const LISTED: usize = 100_000;
    let (cluster, store) = three_primaries().await;
    let mut newest = Vec::new();
    for _ in 0..40 {
        newest.push(new_room(&store).await);
    }
    let page = async || {
        let before = count_calls(&cluster).await;
        let page = store.active_rooms(None, 20).await.expect("a page");
        (page, count_calls(&cluster).await - before)
    };
    page().await;
    let (few, calls_for_few) = page().await;
    assert_eq!((few.rooms.len(), few.total, few.more), (20, 40, true));

    // Older rooms, written directly into each part of the list.
    let expires_at = few.rooms[0].now.plus(HOUR).as_millis();
    for part in 0..16 {
        let tag = format!("rooms:{part:02}");
        let node = cluster.owner(slot_of(&tag)).await.expect("an owner");
        let mut connection = cluster.node(node).connection().await;
        let entries: Vec<_> = (0..LISTED / 16).map(|n| format!("{:020}:{}", n, RoomId::random())).collect();
        for entries in entries.chunks(1_000) {
            let (mut by_age, mut by_expiry) = (redis::cmd("ZADD"), redis::cmd("ZADD"));
            by_age.arg(format!("{PREFIX}:1:{{{tag}}}:age"));
            by_expiry.arg(format!("{PREFIX}:1:{{{tag}}}:expiry"));
            for entry in entries {
                by_age.arg(0).arg(entry);
                by_expiry.arg(expires_at).arg(entry);
            }
            by_age.exec_async(&mut connection).await.expect("rooms by age");
            by_expiry.exec_async(&mut connection).await.expect("rooms by expiry");
        }
    }
    let (many, calls_for_many) = page().await;
    assert_eq!((many.rooms.len(), many.total), (20, 40 + LISTED as u64));
    let ids: std::collections::HashSet<_> = many.rooms.iter().map(|state| state.room.id).collect();
    assert!(ids.iter().all(|room| newest.contains(room)), "the page has other rooms than the newest");
    assert_eq!(calls_for_many, calls_for_few);
}
