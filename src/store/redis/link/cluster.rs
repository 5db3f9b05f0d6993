//! The nodes of a Redis Cluster, and the task that keeps their topology up to date. How one command finds its node is in
//! `routed_connection`; how views of the topology are merged is in `topology`.
//!
//! The cluster client of the `redis` crate repeats commands whose outcome is unknown, writes included, and while it refreshes the
//! topology all commands wait for the slowest node. Here a command is repeated only if a node reports that it did not run it,
//! and a frozen node delays only the commands for its own slots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::seq::IndexedRandom as _;
use redis::RedisResult;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::critical_tasks::CriticalTasks;
use crate::store::StoreError;
use crate::store::redis::link::batching::Server;
use crate::store::redis::link::connect_error::{UnusableCluster, is_temporary};
use crate::store::redis::link::error::unavailable;
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::Settings;
use crate::store::redis::link::slots::Address;
use crate::store::redis::link::topology::{Node, NodeView, SlotMap, Topology};

/// How often the topology is refreshed when nothing hints at a change.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest pause between two refreshes.
const MIN_REFRESH_PAUSE: Duration = Duration::from_millis(50);
/// How long a node has to report its view. A refresh takes no longer than this.
const VIEW_TIMEOUT: Duration = Duration::from_millis(250);
/// Nodes queried per refresh: enough that most of them know of a change.
const NODES_PER_REFRESH: usize = 5;
/// Before this version, Redis has no sharded pub/sub.
const MIN_VERSION: u32 = 7;

/// A Redis Cluster.
pub struct Cluster {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

struct Shared {
    settings: Settings,
    topology: watch::Sender<Arc<Topology>>,
    /// Nodes that a redirect or a seed named and that the topology lacks. Cleared by each refresh.
    unmapped_nodes: Mutex<HashMap<Address, Arc<Node>>>,
    refresh_requested: Arc<Notify>,
}

impl Cluster {
    /// Finds the nodes. [`StoreError::Unavailable`] when no seed can be reached or the seeds are too old.
    pub async fn connect(settings: &Settings, critical_tasks: CriticalTasks) -> Result<Self, StoreError> {
        let (topology, _) = watch::channel(Arc::new(Topology::empty()));
        let (unmapped_nodes, refresh_requested) = (Mutex::default(), Arc::default());
        let shared = Arc::new(Shared { settings: settings.clone(), topology, unmapped_nodes, refresh_requested });
        shared.discover().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (refresher, stopped) = (shared.clone(), stop.clone());
        tasks.spawn(critical_tasks.task(async move {
            stopped.run_until_cancelled(refresher.keep_refreshing()).await;
        }));
        Ok(Self { shared, tasks, stop: stop.drop_guard() })
    }

    /// Stops refreshing and waits for commands in flight. New ones still work, by the last topology.
    pub async fn close(&self) {
        self.stop.token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
        join_all(self.topology().primaries.iter().map(|node| node.server.drain())).await;
    }

    /// The current topology.
    pub fn topology(&self) -> Arc<Topology> {
        self.shared.topology.borrow().clone()
    }

    /// The current topology and every later one.
    pub fn watch_topology(&self) -> watch::Receiver<Arc<Topology>> {
        self.shared.topology.subscribe()
    }

    /// The owner of a slot, if it has one.
    pub fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        self.shared.topology.borrow().owner(slot).cloned()
    }

    /// The node at an address, whether the topology has it or not.
    pub fn node_at(&self, address: &Address) -> RedisResult<Arc<Node>> {
        self.shared.node_at(address)
    }

    /// How long a command may take.
    pub fn timeout(&self) -> Duration {
        self.shared.settings.timeout
    }

    /// Asks for a refresh of the topology, because a command went wrong.
    pub fn request_refresh(&self) {
        self.shared.refresh_requested.notify_one();
    }

    /// The signal with which other tasks ask for a refresh.
    pub fn refresh_requested(&self) -> Arc<Notify> {
        self.shared.refresh_requested.clone()
    }
}

impl Shared {
    /// Reads the first topology. One usable seed is enough.
    async fn discover(&self) -> Result<(), StoreError> {
        let mut results = join_all(self.settings.seeds.iter().map(|seed| self.try_seed(seed))).await;
        if !results.iter().any(Result::is_ok) && !results.is_empty() {
            // A permanent error is more useful than a temporary one; otherwise report the first.
            let permanent = results.iter().position(|result| result.as_ref().is_err_and(|error| !is_temporary(error)));
            return results.swap_remove(permanent.unwrap_or(0));
        }
        if !self.refresh().await {
            return Err(unavailable(UnusableCluster::NoTopology));
        }
        if self.topology.borrow().primaries.is_empty() {
            return Err(unavailable(UnusableCluster::NoSlots));
        }
        Ok(())
    }

    async fn try_seed(&self, seed: &Address) -> Result<(), StoreError> {
        let node = self.node_at(seed).map_err(unavailable)?;
        node.server.primary().probe(&self.settings, seed.to_string()).await?;
        let info = node.server.info("default").await.map_err(unavailable)?;
        check_info(&info, seed).map_err(unavailable)
    }

    async fn keep_refreshing(&self) {
        loop {
            // A request and the timeout have the same effect.
            let _ = timeout(REFRESH_INTERVAL, self.refresh_requested.notified()).await;
            self.refresh().await;
            sleep(MIN_REFRESH_PAUSE).await;
        }
    }

    /// Queries nodes and publishes the topology if it changed. Returns whether any node answered.
    async fn refresh(&self) -> bool {
        let known = self.topology.borrow().clone();
        let primaries: Vec<_> = known.primaries.sample(&mut rand::rng(), NODES_PER_REFRESH).cloned().collect();
        let mut views = query_views(&primaries).await;
        if views.is_empty() {
            let others = self.settings.seeds.iter().chain(&known.replicas);
            let others: Vec<_> = others.filter_map(|address| self.node_at(address).ok()).collect();
            views = query_views(&others).await;
        }
        if views.is_empty() {
            return false;
        }
        let slot_map = SlotMap::merge(&views);
        let replicas: Vec<_> = views.into_iter().flat_map(|view| view.replicas).collect();
        let primaries = slot_map.primaries.iter().filter_map(|address| self.node_at(address).ok()).collect::<Vec<_>>();
        if primaries.len() == slot_map.primaries.len() {
            let changed = slot_map != known.slot_map;
            if changed {
                info!(primaries = primaries.len(), "the slots of the cluster have moved");
            }
            let topology = Arc::new(Topology { slot_map, primaries, replicas });
            self.topology.send_if_modified(|current| {
                *current = topology;
                changed
            });
        }
        self.unmapped_nodes.lock().clear();
        true
    }

    fn node_at(&self, address: &Address) -> RedisResult<Arc<Node>> {
        if let Some(node) = self.topology.borrow().primaries.iter().find(|node| node.address == *address) {
            return Ok(node.clone());
        }
        let mut unmapped_nodes = self.unmapped_nodes.lock();
        if let Some(node) = unmapped_nodes.get(address) {
            return Ok(node.clone());
        }
        let server = Server::new(Primary::fixed(self.settings.client_at(address)?), self.settings.timeout);
        let node = Arc::new(Node { address: address.clone(), server });
        unmapped_nodes.insert(address.clone(), node.clone());
        Ok(node)
    }
}

/// Checks by a node's `INFO` that it belongs to a cluster and is new enough.
fn check_info(info: &str, node: &Address) -> Result<(), UnusableCluster> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    if field("cluster_enabled:") != "1" {
        return Err(UnusableCluster::NotACluster(node.to_string()));
    }
    let version = field("redis_version:");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= MIN_VERSION) {
        Ok(())
    } else {
        Err(UnusableCluster::TooOld(version.to_owned()))
    }
}

/// The views of those nodes that answer in time.
async fn query_views(nodes: &[Arc<Node>]) -> Vec<NodeView> {
    let views = nodes.iter().map(async |node| timeout(VIEW_TIMEOUT, query_view(node)).await.ok()?);
    join_all(views).await.into_iter().flatten().collect()
}

async fn query_view(node: &Node) -> Option<NodeView> {
    let cluster_command = |name: &str| {
        let mut command = redis::cmd("CLUSTER");
        command.arg(name);
        command
    };
    let slots = node.server.query(&cluster_command("SLOTS")).await.ok()?;
    let nodes: String = redis::from_redis_value(node.server.query(&cluster_command("NODES")).await.ok()?).ok()?;
    NodeView::parse(slots, &nodes, &node.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_cluster_and_a_single_redis_are_rejected_with_advice() {
        let node = Address { host: "here".into(), port: 6379 };
        let rejection = |info: &str| check_info(info, &node).err().map(|error| error.to_string());
        assert_eq!(rejection("redis_version:7.0.15\r\ncluster_enabled:1\r\n"), None);
        assert_eq!(rejection("redis_version:10.0.0\r\ncluster_enabled:1\r\n"), None);
        let old = rejection("redis_version:6.2.14\r\ncluster_enabled:1\r\n").expect("too old");
        assert!(old.contains("Redis 6.2.14") && old.contains("Redis 7 or later"), "{old}");
        let single = rejection("redis_version:7.0.15\r\ncluster_enabled:0\r\n").expect("not a cluster");
        assert!(single.contains("here:6379") && single.contains("REDIS_CLUSTER"), "{single}");
    }
}
