//! Operations on many rooms of a Redis Cluster while one of its shards is away: the other shards' rooms are served.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livechat::domain::room::{RoomCode, RoomId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{Store, StoreError};

use crate::support::redis_cluster::{RedisCluster, slot_of};

const HOUR: Duration = Duration::from_secs(3600);
const ROOMS: usize = 192;

/// How long an operation may take while a shard is silent: the deadline of a use case is 1.9 seconds.
const PROMPTLY: Duration = Duration::from_millis(1_500);

struct House {
    cluster: RedisCluster,
    /// Two nodes, and one that has read nothing so far.
    here: Arc<RedisStore>,
    there: Arc<RedisStore>,
    stranger: Arc<RedisStore>,
    rooms: Vec<RoomId>,
    /// The rooms of the first shard, which will be away.
    lost: HashSet<RoomId>,
}

async fn house() -> House {
    let cluster = RedisCluster::with(3, 0, &[]).await;
    let settings = Settings::new(&cluster.url(), "test").expect("settings");
    let connect = async || Arc::new(RedisStore::connect(settings.clone()).await.expect("a store on the cluster"));
    let (here, there, stranger) = (connect().await, connect().await, connect().await);
    let (mut rooms, mut lost) = (Vec::new(), HashSet::new());
    let away = cluster.role(0).await.slots;
    for _ in 0..ROOMS {
        let room = RoomId::random();
        here.create_room(room, &RoomCode::random(6), HOUR).await.expect("a room");
        rooms.push(room);
        if away.iter().any(|slots| slots.contains(&slot_of(&room.to_string()))) {
            lost.insert(room);
        }
    }
    assert!(lost.len() > 20 && lost.len() < ROOMS - 20, "{} rooms at the first of three shards", lost.len());
    House { cluster, here, there, stranger, rooms, lost }
}

impl House {
    fn report(&self, viewers: u32) -> Vec<(RoomId, u32)> {
        self.rooms.iter().map(|room| (*room, viewers)).collect()
    }

    /// That every room has so many viewers, or so many where its shard is away.
    async fn assert_viewers(&self, store: &RedisStore, healthy: u32, away: u32) {
        let begun = Instant::now();
        let counts = store.viewers_elsewhere(&self.rooms).await.expect("counts");
        assert!(begun.elapsed() < PROMPTLY, "counting took {:?}", begun.elapsed());
        for (room, count) in self.rooms.iter().zip(counts) {
            let expected = if self.lost.contains(room) { away } else { healthy };
            assert_eq!(count, expected, "viewers of {room}");
        }
    }

    /// What is promised while the first shard is away.
    async fn check(&self) {
        let begun = Instant::now();
        let told = self.there.report_viewers(&self.report(5)).await;
        assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
        assert!(begun.elapsed() < 2 * PROMPTLY, "reporting took {:?}", begun.elapsed());
        // What was read last counts as long as a report would, and what was never read not at all.
        self.assert_viewers(&self.here, 5, 3).await;
        self.assert_viewers(&self.stranger, 5, 0).await;
        let lost: Vec<_> = self.lost.iter().copied().collect();
        let unknown = self.stranger.viewers_elsewhere(&lost).await;
        assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{unknown:?}");

        let begun = Instant::now();
        let page = self.here.active_rooms(None, 50).await.expect("a page");
        assert!(begun.elapsed() < PROMPTLY, "listing took {:?}", begun.elapsed());
        assert!(page.rooms.len() == 50 && page.more, "{} rooms of 50", page.rooms.len());
        let all = self.here.active_rooms(None, 1_000).await.expect("a page");
        let listed: HashSet<_> = all.rooms.iter().map(|state| state.room.id).collect();
        let healthy: HashSet<_> = self.rooms.iter().copied().filter(|room| !self.lost.contains(room)).collect();
        assert_eq!(listed, healthy, "the rooms that can be read");
        assert_eq!((all.total, all.more), (healthy.len() as u64, false));
        self.here.ping().await.expect("most shards are there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_on_healthy_shards_keep_their_viewers_and_are_listed_while_a_shard_is_gone() {
    let mut house = house().await;
    house.there.report_viewers(&house.report(3)).await.expect("a report");
    house.assert_viewers(&house.here, 3, 3).await;
    house.cluster.kill(0);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_on_healthy_shards_keep_their_viewers_and_are_listed_while_a_shard_is_frozen() {
    let mut house = house().await;
    house.there.report_viewers(&house.report(3)).await.expect("a report");
    house.assert_viewers(&house.here, 3, 3).await;
    house.cluster.freeze(0);
    house.check().await;
    house.cluster.thaw(0);
    house.cluster.settled().await;
    house.there.report_viewers(&house.report(7)).await.expect("a report");
    house.assert_viewers(&house.here, 7, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_gone_altogether_is_unavailable_and_lists_no_empty_page() {
    let mut house = house().await;
    for node in 0..3 {
        house.cluster.kill(node);
    }
    assert!(matches!(house.here.active_rooms(None, 50).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(house.stranger.viewers_elsewhere(&house.rooms).await, Err(StoreError::Unavailable(_))));
}
