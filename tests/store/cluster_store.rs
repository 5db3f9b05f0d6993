//! What only the Redis store can get wrong in a cluster, seen from the store itself: nodes that are away, slots on the move,
//! what is spread over all nodes. What every store promises is tested in the conformance suite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use livechat::domain::event::{EntryTag, Position};
use livechat::domain::message::MessageText;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{DisplayName, Token, User, UserId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{
    Admission, Admitted, Change, Commit, FeedItem, NewMessage, PresentedToken, RoomLimits, Store, StoreError,
};

use crate::store::conformance::kit::ROOMY;
use crate::support::eventually;
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::redis_server::RedisServer;

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
    store.create_room(room, &RoomCode::random(6), HOUR).await.expect("a room");
    room
}

/// A room that this primary keeps.
async fn room_at(store: &RedisStore, cluster: &RedisCluster, primary: usize) -> RoomId {
    loop {
        let room = new_room(store).await;
        if cluster.owner(slot_of(&room.to_string())).await == Some(primary) {
            return room;
        }
    }
}

fn send(room: RoomId, text: &str) -> Commit {
    let author = User { id: UserId::from_stored("ada".into()), display_name: DisplayName::from_stored("Ada".into()) };
    let text = MessageText::from_stored(text.to_owned());
    let change = Change::Send { author, text, client_message_id: None, limits: ROOMY };
    Commit { room, tag: EntryTag::random(), change }
}

#[tokio::test]
async fn who_asks_for_what_a_frozen_primary_has_is_the_only_one_to_wait() {
    let mut cluster = RedisCluster::with(3, 0, &[]).await;
    // However slow this machine is: a call that waits for the frozen node takes much longer.
    let store = connect(settings(&cluster).with_timeout(Duration::from_secs(15))).await;
    let frozen = room_at(&store, &cluster, 0).await;
    let others = [room_at(&store, &cluster, 1).await, room_at(&store, &cluster, 2).await];
    cluster.freeze(0);
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(send(frozen, "waits")).await })
    };
    // The nodes are asked how the cluster stands meanwhile, and one of them does not answer.
    for n in 0..100 {
        store.commit(send(others[n % 2], "does not wait")).await.expect("a commit");
    }
    assert!(!waiting.is_finished(), "the others waited as well");
    assert!(matches!(waiting.await.expect("a task"), Err(StoreError::Unavailable(_))));
    store.ping().await.expect("most of the rooms are served");
    cluster.thaw(0);
    eventually("the shard is back", || async { store.commit(send(frozen, "again")).await.is_ok() }).await;
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_not_sent_again() {
    let (mut cluster, store) = three_primaries().await;
    let impatient = connect(settings(&cluster).with_timeout(Duration::from_millis(200))).await;
    let rooms = [room_at(&store, &cluster, 0).await, room_at(&store, &cluster, 0).await];
    impatient.commit(send(rooms[0], "known")).await.expect("a commit");
    cluster.freeze(0);
    let late = impatient.commit(send(rooms[0], "late")).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    cluster.thaw(0);
    // A connection that is lost while the answer is awaited.
    cluster.node(0).command(&["CLIENT", "PAUSE", "500", "WRITE"]).await;
    let lost = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(send(rooms[1], "lost")).await })
    };
    eventually("the commit is at Redis", || async {
        cluster.node(0).ask::<String>(&["INFO", "clients"]).await.contains("blocked_clients:1")
    })
    .await;
    cluster.node(0).command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let lost = lost.await.expect("a task");
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    eventually("the node takes writes", || async { store.commit(send(rooms[1], "last")).await.is_ok() }).await;
    for (room, most) in [(rooms[0], 2), (rooms[1], 2)] {
        let log = store.read_log(room, Position::START, 10).await.expect("the log");
        assert!(log.len() <= most, "a commit was sent again: {log:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_author_of_an_accepted_message_stays_known_whatever_becomes_of_another_first_message() {
    const TRIES: usize = 300;
    let (cluster, store) = three_primaries().await;
    let other = connect(settings(&cluster)).await;
    let (full, roomy) = (room_at(&store, &cluster, 0).await, room_at(&store, &cluster, 1).await);
    store.commit(send(full, "the only one")).await.expect("a commit");
    let say = |room: RoomId, capacity: u64| NewMessage {
        room,
        tag: EntryTag::random(),
        text: MessageText::from_stored("hello".into()),
        client_message_id: None,
        limits: RoomLimits { messages: capacity, ..ROOMY },
    };
    let mut claimed = 0;
    for n in 0..TRIES {
        let (user, own) = (UserId::from_stored(format!("newcomer {n}")), Token::random());
        let ask = |token: Option<Token>| {
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
        let (refused, accepted) =
            tokio::join!(store.send(ask(Some(own)), say(full, 1)), other.send(ask(Some(own)), say(roomy, 1_000)));
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        assert!(accepted.expect("an answer").committed.is_some());
        // Somebody else, who has no token.
        claimed += usize::from(store.authenticate(ask(None)).await.expect("an answer") != Admitted::WrongToken);
    }
    assert_eq!(claimed, 0, "ids of authors that anybody could claim, of {TRIES}");
}

#[tokio::test]
async fn what_is_done_in_a_slot_on_the_move_waits_and_is_heard() {
    let (cluster, store) = three_primaries().await;
    let patient = connect(settings(&cluster).with_timeout(Duration::from_secs(20))).await;
    let room = room_at(&store, &cluster, 0).await;
    let slot = slot_of(&room.to_string());
    let mut feed = store.feed();
    store.subscribe(room).await.expect("watched");
    let before = store.commit(send(room, "before")).await.expect("a commit").into_event();
    assert!(matches!(feed.next().await, Some(FeedItem::Event(event)) if *event == before));

    let from = cluster.begin_move(slot, 1).await;
    let meanwhile = tokio::spawn(async move { patient.commit(send(room, "meanwhile")).await });
    while cluster.move_keys(slot, from, 1).await {}
    let half_way = store.read_log(room, before.position, 10).await;
    assert!(matches!(half_way, Ok(_) | Err(StoreError::Unavailable(_))), "{half_way:?}");
    cluster.end_move(slot, from, 1).await;
    let meanwhile = meanwhile.await.expect("a task").expect("a commit").into_event();
    assert_eq!(store.read_log(room, before.position, 10).await.expect("the log"), std::slice::from_ref(&meanwhile));

    let (mut resynced, mut after) = (false, None);
    while !resynced || after.is_none() {
        // What is announced before the feed has followed is covered by the resync that comes then.
        let next = tokio::time::timeout(Duration::from_secs(5), feed.next());
        match next.await.expect("an announcement in time").expect("a feed that goes on") {
            FeedItem::Event(event) => {
                assert!(event.position.seq > before.position.seq, "said twice: {event:?}");
                after = Some(event.position.seq);
            }
            FeedItem::ResyncOf(rooms) => {
                assert_eq!(*rooms, [room]);
                resynced = true;
                store.commit(send(room, "after")).await.expect("a commit");
            }
            FeedItem::Resync => panic!("only one room was in doubt"),
        }
    }
    // The others of its node heard no resync, and the feed is the new node's.
    let listened = join_all((0..3).map(async |node| {
        let channels: Vec<String> = cluster.node(node).ask(&["PUBSUB", "SHARDCHANNELS"]).await;
        channels.len()
    }));
    assert_eq!(listened.await, [0, 1, 0]);
}

#[tokio::test]
async fn a_server_is_ready_as_long_as_most_primaries_take_writes() {
    let (mut cluster, store) = three_primaries().await;
    store.ping().await.expect("all are there");
    cluster.kill(0);
    store.ping().await.expect("two of three are there");
    cluster.kill(1);
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn what_is_no_cluster_is_refused_with_a_sentence() {
    let single = RedisServer::start().await;
    let settings = Settings::new(&single.url(), PREFIX).expect("settings").in_cluster();
    let Err(StoreError::Unavailable(cause)) = RedisStore::connect(settings).await else {
        panic!("taken for a cluster")
    };
    assert!(cause.to_string().contains("REDIS_CLUSTER"), "{cause}");
}

/// How often the nodes were asked for what a page of the list takes. They are looked at all the time besides.
async fn calls(cluster: &RedisCluster) -> u64 {
    const OF_A_PAGE: [&str; 5] = ["evalsha", "zcount", "zrevrangebylex", "zrangebyscore", "hmget"];
    let mut calls = 0;
    for node in cluster.awake() {
        let info: String = cluster.node(node).ask(&["INFO", "all"]).await;
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
async fn a_page_of_the_list_costs_as_much_with_a_hundred_thousand_rooms_on_all_nodes_as_with_a_few() {
    const LISTED: usize = 100_000;
    let (cluster, store) = three_primaries().await;
    let mut newest = Vec::new();
    for _ in 0..40 {
        newest.push(new_room(&store).await);
    }
    let page = async || {
        let before = calls(&cluster).await;
        let page = store.active_rooms(None, 20).await.expect("a page");
        (page, calls(&cluster).await - before)
    };
    page().await;
    let (few, calls_for_few) = page().await;
    assert_eq!((few.rooms.len(), few.total, few.more), (20, 40, true));

    // Older rooms, written straight into each part of the list, at whichever node has it.
    let expires_at = few.rooms[0].now.plus(HOUR).as_millis();
    for part in 0..16 {
        let tag = format!("rooms:{part:02}");
        let node = cluster.owner(slot_of(&tag)).await.expect("an owner");
        let mut connection = cluster.node(node).connection().await;
        let entries: Vec<_> = (0..LISTED / 16).map(|n| format!("{:020}:{}", n, RoomId::random())).collect();
        for entries in entries.chunks(1_000) {
            let (mut by_age, mut by_expiry) = (redis::cmd("ZADD"), redis::cmd("ZADD"));
            by_age.arg(format!("{PREFIX}:{{{tag}}}:age"));
            by_expiry.arg(format!("{PREFIX}:{{{tag}}}:expiry"));
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
    assert!(ids.iter().all(|room| newest.contains(room)), "not the newest");
    assert_eq!(calls_for_many, calls_for_few);
}
