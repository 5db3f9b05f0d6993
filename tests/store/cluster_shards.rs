//! Operations on many rooms of a Redis Cluster while one of its shards is unavailable: rooms of the other shards are served.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livechat::domain::room::{RoomCode, RoomId};
use livechat::store::redis::{RedisStore, Settings};
use livechat::store::{Store, StoreError};

use crate::store::conformance::kit;
use crate::support::eventually;
use crate::support::redis_cluster::{RedisCluster, slot_of};

const HOUR: Duration = Duration::from_secs(3600);
const ROOMS: usize = 192;

/// How long an operation may take while a shard is silent, besides what it takes on this machine while none is. The deadline of a use
/// case is 1.9 seconds.
const MAX_DURATION: Duration = Duration::from_millis(1_500);

struct Fixture {
    cluster: RedisCluster,
    reader: Arc<RedisStore>,
    reporter: Arc<RedisStore>,
    /// It has read nothing so far.
    fresh_reader: Arc<RedisStore>,
    rooms: Vec<RoomId>,
    /// The rooms of the first shard, which becomes unavailable.
    unavailable: HashSet<RoomId>,
    /// How long an operation may take on this machine.
    max_duration: Duration,
}

async fn fixture() -> Fixture {
    let cluster = RedisCluster::with(3, 0, &[]).await;
    let settings = Settings::new(&cluster.url(), "test").expect("settings");
    let connect = async || Arc::new(RedisStore::connect(settings.clone()).await.expect("a store on the cluster"));
    let (reader, reporter, fresh_reader) = (connect().await, connect().await, connect().await);
    let (mut rooms, mut unavailable) = (Vec::new(), HashSet::new());
    let first_shard = cluster.node_info(0).await.slots;
    for _ in 0..ROOMS {
        let room = RoomId::random();
        reader.create_room(kit::new_room(room, &RoomCode::random(6), HOUR)).await.expect("a room");
        rooms.push(room);
        if first_shard.iter().any(|slots| slots.contains(&slot_of(&room.to_string()))) {
            unavailable.insert(room);
        }
    }
    let count = unavailable.len();
    assert!(count > 20 && count < ROOMS - 20, "{count} rooms at the first of three shards");
    let start = Instant::now();
    reporter.active_rooms(None, 1_000).await.expect("a page");
    let max_duration = MAX_DURATION + 10 * start.elapsed();
    Fixture { cluster, reader, reporter, fresh_reader, rooms, unavailable, max_duration }
}

impl Fixture {
    fn report(&self, viewers: u32) -> Vec<(RoomId, u32)> {
        self.rooms.iter().map(|room| (*room, viewers)).collect()
    }

    /// Asserts the viewer count of every room, depending on whether its shard is available.
    async fn assert_viewers(&self, store: &RedisStore, available: u32, unavailable: u32) {
        let start = Instant::now();
        let counts = store.viewers_elsewhere(&self.rooms).await.expect("counts");
        assert!(start.elapsed() < self.max_duration, "counting took {:?}", start.elapsed());
        for (room, count) in self.rooms.iter().zip(counts) {
            let expected = if self.unavailable.contains(room) { unavailable } else { available };
            assert_eq!(count, expected, "viewers of {room}");
        }
    }

    /// Asserts what holds while the first shard is unavailable.
    async fn assert_other_shards_served(&self) {
        let start = Instant::now();
        let reported = self.reporter.report_viewers(&self.report(5)).await;
        assert!(matches!(reported, Err(StoreError::Unavailable(_))), "{reported:?}");
        assert!(start.elapsed() < 2 * self.max_duration, "reporting took {:?}", start.elapsed());
        // The last count that was read stays valid for as long as a report; without one the count is 0.
        self.assert_viewers(&self.reader, 5, 3).await;
        self.assert_viewers(&self.fresh_reader, 5, 0).await;
        let unavailable: Vec<_> = self.unavailable.iter().copied().collect();
        let unknown = self.fresh_reader.viewers_elsewhere(&unavailable).await;
        assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{unknown:?}");

        let start = Instant::now();
        let page = self.reader.active_rooms(None, 50).await.expect("a page");
        assert!(start.elapsed() < self.max_duration, "listing took {:?}", start.elapsed());
        assert!(page.rooms.len() == 50 && page.more, "{} rooms of 50", page.rooms.len());
        let all = self.reader.active_rooms(None, 1_000).await.expect("a page");
        let listed: HashSet<_> = all.rooms.iter().map(|state| state.room.id).collect();
        let available: HashSet<_> =
            self.rooms.iter().copied().filter(|room| !self.unavailable.contains(room)).collect();
        assert_eq!(listed, available, "the rooms that can be read");
        assert_eq!((all.total, all.more), (available.len() as u64, false));
        self.reader.ping().await.expect("most shards are available");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_healthy_shards_are_listed_with_viewers_while_a_shard_is_down() {
    let mut fixture = fixture().await;
    fixture.reporter.report_viewers(&fixture.report(3)).await.expect("a report");
    fixture.assert_viewers(&fixture.reader, 3, 3).await;
    fixture.cluster.kill(0);
    fixture.assert_other_shards_served().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_healthy_shards_are_listed_with_viewers_while_a_shard_is_frozen() {
    let mut fixture = fixture().await;
    fixture.reporter.report_viewers(&fixture.report(3)).await.expect("a report");
    fixture.assert_viewers(&fixture.reader, 3, 3).await;
    fixture.cluster.freeze(0);
    fixture.assert_other_shards_served().await;
    fixture.cluster.thaw(0);
    fixture.cluster.wait_until_settled().await;
    // Each store finds out by itself that the shard is back.
    let (reporter, reader) = (&fixture.reporter, &fixture.reader);
    eventually("viewers are reported", async || reporter.report_viewers(&fixture.report(7)).await.is_ok()).await;
    eventually("their counts are read", async || {
        reader.viewers_elsewhere(&fixture.rooms).await.is_ok_and(|counts| counts.iter().all(|count| *count == 7))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_without_any_node_is_unavailable_and_returns_no_empty_page() {
    let mut fixture = fixture().await;
    for node in 0..3 {
        fixture.cluster.kill(node);
    }
    assert!(matches!(fixture.reader.active_rooms(None, 50).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(fixture.fresh_reader.viewers_elsewhere(&fixture.rooms).await, Err(StoreError::Unavailable(_))));
}
