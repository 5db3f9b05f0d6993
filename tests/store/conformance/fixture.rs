//! Fixtures: an empty store for a case, and the operations that differ between stores.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use livechat::domain::room::RoomId;
use livechat::store::Store;
use livechat::store::embedded::EmbeddedStore;
use livechat::store::redis::{RedisStore, Settings};
use tempfile::TempDir;

use super::kit;
use crate::support::redis_cluster::RedisCluster;
use crate::support::redis_server::RedisServer;
use crate::support::watchdog;

/// Passes the list of the stores under test to the macro `$then`: a name for the tests, and an expression for a new fixture.
/// Add further stores only here.
macro_rules! every_store {
    ($then:ident!($($given:tt)*)) => {
        $then! { $($given)*
            embedded: Embedded::fresh();
            redis: Redis::fresh();
            redis_cluster: Cluster::fresh();
        }
    };
}
pub(crate) use every_store;

/// An empty store for one case.
#[async_trait]
pub trait Fixture: Send + Sync {
    fn store(&self) -> Arc<dyn Store>;

    /// Another node on the same data, if the store can have one.
    fn other_node(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// The other node, or the same store if it has none.
    fn second_handle(&self) -> Arc<dyn Store> {
        self.other_node().unwrap_or_else(|| self.store())
    }

    /// Makes every feed lose events, by a cut connection or by more events than it has space for.
    async fn cut_feeds(&self);

    /// Opens the store like a new process after this one was killed. No operation may be running.
    async fn reopen_after_kill(&self) -> Arc<dyn Store>;

    /// Whether the stored data has anything of this room, or contains these words.
    async fn has_traces(&self, room: RoomId, words: &str) -> bool;

    /// How long to wait for anything that must happen.
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// More events than a feed of the embedded store has space for.
const MORE_THAN_A_FEED: usize = 4_200;

/// The embedded store in a directory of its own.
pub struct Embedded {
    store: Arc<EmbeddedStore>,
    directory: TempDir,
    killed_copy: TempDir,
}

impl Embedded {
    pub async fn fresh() -> Self {
        watchdog::watch();
        let directory = tempfile::tempdir().expect("a directory for the store");
        let killed_copy = tempfile::tempdir().expect("a directory for the store after a kill");
        let store = Arc::new(EmbeddedStore::open(directory.path()).expect("the store opens"));
        Self { store, directory, killed_copy }
    }
}

#[async_trait]
impl Fixture for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// A feed in this process has no connection, but it loses events when it lags.
    async fn cut_feeds(&self) {
        kit::send_many(&self.store(), MORE_THAN_A_FEED).await;
    }

    /// Reads the files.
    async fn has_traces(&self, room: RoomId, words: &str) -> bool {
        let files = std::fs::read_dir(self.directory.path()).expect("the directory of the store");
        let mut files = files.map(|file| std::fs::read(file.expect("a file").path()).unwrap_or_default());
        files.any(|bytes| contains(&bytes, room, words))
    }

    /// A killed process leaves its files as they are at that moment, so a copy of them simulates a kill.
    async fn reopen_after_kill(&self) -> Arc<dyn Store> {
        // Otherwise the sweeper might write between two copies.
        self.store.close().await;
        for file in std::fs::read_dir(self.directory.path()).expect("the directory of the store") {
            let file = file.expect("a file of the store").path();
            let copy = self.killed_copy.path().join(file.file_name().expect("its name"));
            std::fs::copy(&file, copy).expect("a copy of it");
        }
        Arc::new(EmbeddedStore::open(self.killed_copy.path()).expect("the store opens after a kill"))
    }
}

/// Whether `bytes` contain the id of the room, in either form, or the words.
fn contains(bytes: &[u8], room: RoomId, words: &str) -> bool {
    let id = room.to_string();
    let needles = [&room.as_bytes()[..], id.as_bytes(), words.as_bytes()];
    needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
}

/// Whether any key of this Redis has something of the room, or contains the words.
async fn is_in_redis(server: &RedisServer, room: RoomId, words: &str) -> bool {
    let keys: Vec<String> = server.query(&["KEYS", "*"]).await;
    for key in keys {
        // A key may expire meanwhile.
        let value: Option<Vec<u8>> = server.query(&["DUMP", &key]).await;
        if contains(key.as_bytes(), room, words) || contains(&value.unwrap_or_default(), room, words) {
            return true;
        }
    }
    false
}

/// Two nodes on a new Redis.
pub struct Redis {
    store: Arc<RedisStore>,
    other_node: Arc<RedisStore>,
    server: RedisServer,
}

impl Redis {
    pub async fn fresh() -> Self {
        let server = RedisServer::start().await;
        Self { store: node(&server).await, other_node: node(&server).await, server }
    }
}

async fn node(server: &RedisServer) -> Arc<RedisStore> {
    let settings = Settings::new(&server.url(), "conformance").expect("settings");
    Arc::new(RedisStore::connect(settings).await.expect("a store on the Redis"))
}

#[async_trait]
impl Fixture for Redis {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn other_node(&self) -> Option<Arc<dyn Store>> {
        Some(self.other_node.clone())
    }

    async fn cut_feeds(&self) {
        let mut connection = self.server.connection().await;
        let cut = redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec_async(&mut connection).await;
        cut.expect("the connections are cut");
    }

    async fn has_traces(&self, room: RoomId, words: &str) -> bool {
        is_in_redis(&self.server, room, words).await
    }

    /// Acknowledged writes are in Redis, so a new node finds them.
    async fn reopen_after_kill(&self) -> Arc<dyn Store> {
        node(&self.server).await
    }
}

/// Two nodes on a Redis Cluster that no other case uses meanwhile.
pub struct Cluster {
    store: Arc<RedisStore>,
    other_node: Arc<RedisStore>,
    settings: Settings,
    cluster: Option<RedisCluster>,
    pool: Arc<Pool>,
}

/// Clusters that can be reused by the next case, because starting one takes a while. They stop when no case runs any more.
#[derive(Default)]
struct Pool(Mutex<Vec<RedisCluster>>);

impl Pool {
    fn shared() -> Arc<Self> {
        static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());
        let mut known = POOL.lock().expect("the pool");
        known.upgrade().unwrap_or_else(|| {
            let pool = Arc::default();
            *known = Arc::downgrade(&pool);
            pool
        })
    }
}

impl Cluster {
    pub async fn fresh() -> Self {
        let pool = Pool::shared();
        let waiting = pool.0.lock().expect("the pool").pop();
        let cluster = match waiting {
            Some(cluster) => cluster,
            None => RedisCluster::with(3, 0, &[]).await,
        };
        let prefix = format!("conformance-{:016x}", rand::random::<u64>());
        let settings = Settings::new(&cluster.url(), &prefix).expect("settings");
        let node = async || Arc::new(RedisStore::connect(settings.clone()).await.expect("a store on the cluster"));
        Self { store: node().await, other_node: node().await, settings, cluster: Some(cluster), pool }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pool.0.lock().expect("the pool").extend(self.cluster.take());
    }
}

#[async_trait]
impl Fixture for Cluster {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn other_node(&self) -> Option<Arc<dyn Store>> {
        Some(self.other_node.clone())
    }

    async fn cut_feeds(&self) {
        let cluster = self.cluster.as_ref().expect("a cluster until the end");
        for node in cluster.running() {
            cluster.node(node).command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
    }

    async fn has_traces(&self, room: RoomId, words: &str) -> bool {
        let cluster = self.cluster.as_ref().expect("a cluster until the end");
        for node in cluster.running() {
            if is_in_redis(cluster.node(node), room, words).await {
                return true;
            }
        }
        false
    }

    async fn reopen_after_kill(&self) -> Arc<dyn Store> {
        Arc::new(RedisStore::connect(self.settings.clone()).await.expect("a store on the cluster"))
    }
}
