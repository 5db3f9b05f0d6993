//! The nodes of a Redis Cluster: who they are, which has what, and how a command finds the one that has its keys. How slots
//! are read and decided is in `slots`; announcements are `feed`'s.
//!
//! The library has a client for clusters. It repeats commands whose outcome is unknown, writes included, and while it looks at
//! the cluster anew everybody waits for the slowest node. Here a command is sent again only when a node says that it did not
//! run it, and who asks for what a frozen node has is the only one to wait.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use rand::seq::IndexedRandom as _;
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::critical_tasks::CriticalTasks;
use crate::store::StoreError;
use crate::store::redis::link::connect_error::{Unusable, is_temporary};
use crate::store::redis::link::connection::{Server, greet};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::Settings;
use crate::store::redis::link::slots::{Address, Layout, View, slot_of, slot_of_command};

/// How often nodes are asked how the cluster stands when nothing hints at a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// And how long they are left in peace at least.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// How long a node has to say how the cluster stands. The others wait for no longer.
const TELL_WITHIN: Duration = Duration::from_millis(250);
/// Nodes asked at a time: enough that most of them know what happened.
const ASKED: usize = 5;
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_AT_MOST: Duration = Duration::from_millis(100);
/// Before this version there are no announcements within a shard.
const OLDEST: u32 = 7;

/// A primary.
pub(in crate::store::redis) struct Node {
    pub address: Address,
    pub server: Server,
}

/// Who has which slot, as far as is known.
pub(in crate::store::redis) struct Map {
    layout: Layout,
    /// Those of the layout, at the same places.
    nodes: Vec<Arc<Node>>,
    replicas: Vec<Address>,
}

impl Map {
    /// Who has the slot, if anybody has.
    pub fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.layout.owner(slot).map(|place| &self.nodes[place])
    }

    /// Who has anything.
    pub fn primaries(&self) -> &[Arc<Node>] {
        &self.nodes
    }
}

/// The nodes, and the task that knows how the cluster stands.
pub(in crate::store::redis) struct Cluster {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

struct Shared {
    settings: Settings,
    map: watch::Sender<Arc<Map>>,
    /// Nodes that were asked for something and are not on the map. Forgotten when it is drawn anew.
    strangers: Mutex<HashMap<Address, Arc<Node>>>,
    doubt: Notify,
}

impl Cluster {
    /// Finds the nodes. [`StoreError::Unavailable`] when none of the seeds can be reached or they are too old.
    pub async fn connect(settings: &Settings, critical_tasks: CriticalTasks) -> Result<Self, StoreError> {
        let map = Map { layout: Layout::of(&[]), nodes: Vec::new(), replicas: Vec::new() };
        let (map, _) = watch::channel(Arc::new(map));
        let shared = Shared { settings: settings.clone(), map, strangers: Mutex::default(), doubt: Notify::new() };
        shared.enter().await?;
        let (shared, stop, tasks) = (Arc::new(shared), CancellationToken::new(), TaskTracker::new());
        let (watcher, stopped) = (shared.clone(), stop.clone());
        tasks.spawn(critical_tasks.task(async move {
            stopped.run_until_cancelled(watcher.keep_looking()).await;
        }));
        Ok(Self { shared, tasks, stop: stop.drop_guard() })
    }

    /// Ends the looking, and waits for commands that are under way. Others still find theirs.
    pub async fn close(&self) {
        self.stop.token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
        join_all(self.primaries().iter().map(|node| node.server.end())).await;
    }

    /// The way of one command, or of one script, to the node that has its keys.
    pub fn errand(&self) -> Errand<'_> {
        Errand { cluster: self, at: None }
    }

    /// Something was not as expected: look how the cluster stands.
    pub fn doubt(&self) {
        self.shared.doubt.notify_one();
    }

    /// The map as it is, and every one that follows.
    pub fn map(&self) -> watch::Receiver<Arc<Map>> {
        self.shared.map.subscribe()
    }

    /// Has others hint at changes.
    pub fn doubts(&self) -> Doubts {
        Doubts(self.shared.clone())
    }

    /// Who has anything.
    pub fn primaries(&self) -> Vec<Arc<Node>> {
        self.shared.map.borrow().nodes.clone()
    }

    /// Of the keys for 0, 1, 2 and so on the first that each primary has. One with next to no slots may have none.
    pub fn key_of_each_primary(&self, key: impl Fn(u32) -> String) -> Vec<String> {
        const TRIES: u32 = 20_000;
        let map = self.shared.map.borrow().clone();
        let mut found = vec![None; map.nodes.len()];
        let mut left = found.len();
        for key in (0..TRIES).map(key) {
            if left == 0 {
                break;
            }
            if let Some(place) = map.layout.owner(slot_of(key.as_bytes()))
                && found[place].is_none()
            {
                found[place] = Some(key);
                left -= 1;
            }
        }
        found.into_iter().flatten().collect()
    }
}

/// Lets others hint at changes.
#[derive(Clone)]
pub(in crate::store::redis) struct Doubts(Arc<Shared>);

impl Doubts {
    /// See [`Cluster::doubt`].
    pub fn doubt(&self) {
        self.0.doubt.notify_one();
    }
}

impl Shared {
    /// Begins with the first node that can be used.
    async fn enter(&self) -> Result<(), StoreError> {
        let seeds = self.settings.seeds();
        let mut entered = join_all(seeds.iter().map(|seed| self.try_seed(seed))).await;
        if !entered.iter().any(Result::is_ok) && !entered.is_empty() {
            // One that waiting does not cure tells more than others; else the first tells as much as all.
            let telling = entered.iter().position(|entered| entered.as_ref().is_err_and(|error| !is_temporary(error)));
            return entered.swap_remove(telling.unwrap_or(0));
        }
        if !self.look().await {
            return Err(StoreError::Unavailable(Box::new(Unusable::Silent)));
        }
        if self.map.borrow().nodes.is_empty() {
            return Err(StoreError::Unavailable(Box::new(Unusable::NoSlots)));
        }
        Ok(())
    }

    async fn try_seed(&self, seed: &Address) -> Result<(), StoreError> {
        let unavailable = |error: RedisError| StoreError::Unavailable(Box::new(error));
        let node = self.node(seed).map_err(unavailable)?;
        let client = self.settings.client_at(seed).map_err(unavailable)?;
        greet(&self.settings, ready(Ok(client)), seed.to_string()).await?;
        let info = timeout(self.settings.timeout(), node.server.query(&redis::cmd("INFO"))).await;
        let info = info.map_err(|late| StoreError::Unavailable(Box::new(late)))?.map_err(unavailable)?;
        let info: String = redis::from_redis_value(info).map_err(|error| unavailable(error.into()))?;
        check(&info, seed).map_err(|unusable| StoreError::Unavailable(Box::new(unusable)))
    }

    async fn keep_looking(&self) {
        loop {
            // Whether it was a hint or the time makes no difference.
            let _ = timeout(LOOK_EVERY, self.doubt.notified()).await;
            self.look().await;
            sleep(LOOK_AT_MOST_EVERY).await;
        }
    }

    /// Asks nodes how the cluster stands, and draws the map anew if that changed. Answers whether any node said it.
    async fn look(&self) -> bool {
        let known = self.map.borrow().clone();
        let primaries: Vec<_> = known.nodes.sample(&mut rand::rng(), ASKED).cloned().collect();
        let mut views = views_of(&primaries).await;
        if views.is_empty() {
            let others = self.settings.seeds().into_iter().chain(known.replicas.iter().cloned());
            let others: Vec<_> = others.filter_map(|address| self.node(&address).ok()).collect();
            views = views_of(&others).await;
        }
        if views.is_empty() {
            return false;
        }
        let layout = Layout::of(&views);
        let replicas: Vec<_> = views.into_iter().flat_map(|view| view.replicas).collect();
        let nodes = layout.primaries.iter().filter_map(|address| self.node(address).ok()).collect::<Vec<_>>();
        if nodes.len() == layout.primaries.len() {
            let changed = layout != known.layout;
            if changed {
                info!(primaries = nodes.len(), "the slots of the cluster are not where they were");
            }
            let map = Arc::new(Map { layout, nodes, replicas });
            self.map.send_if_modified(|current| {
                *current = map;
                changed
            });
        }
        lock(&self.strangers).clear();
        true
    }

    /// The node at an address, from the map or not.
    fn node(&self, address: &Address) -> RedisResult<Arc<Node>> {
        if let Some(node) = self.map.borrow().nodes.iter().find(|node| node.address == *address) {
            return Ok(node.clone());
        }
        let mut strangers = lock(&self.strangers);
        if let Some(node) = strangers.get(address) {
            return Ok(node.clone());
        }
        let server = Server::new(Primary::at(self.settings.client_at(address)?), self.settings.timeout());
        let node = Arc::new(Node { address: address.clone(), server });
        strangers.insert(address.clone(), node.clone());
        Ok(node)
    }
}

/// Whether a node that says this of itself can be used.
fn check(info: &str, node: &Address) -> Result<(), Unusable> {
    let says = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    if says("cluster_enabled:") != "1" {
        return Err(Unusable::NoCluster(node.to_string()));
    }
    let version = says("redis_version:");
    let is_new =
        version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= OLDEST);
    if is_new { Ok(()) } else { Err(Unusable::TooOld(version.to_owned())) }
}

/// What these nodes take the cluster for; of those that say it in time.
async fn views_of(nodes: &[Arc<Node>]) -> Vec<View> {
    let views = nodes.iter().map(async |node| timeout(TELL_WITHIN, view_of(node)).await.ok()?);
    join_all(views).await.into_iter().flatten().collect()
}

async fn view_of(node: &Node) -> Option<View> {
    let ask = |what: &str| {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg(what);
        ask
    };
    let slots = node.server.query(&ask("SLOTS")).await.ok()?;
    let nodes: String = redis::from_redis_value(node.server.query(&ask("NODES")).await.ok()?).ok()?;
    View::read(slots, &nodes, &node.address).ok()
}

/// The way of one command, or of one script, to the node that has its keys. Passes as a connection.
pub(in crate::store::redis) struct Errand<'a> {
    cluster: &'a Cluster,
    /// Where it was last. A script that is not known there has to be made known there.
    at: Option<Arc<Node>>,
}

impl Errand<'_> {
    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let Some(slot) = slot_of_command(command) else { return self.send_where_it_is(command).await };
        // While a slot moves, most of what works in it is put off, by the rules of the cluster. Before the call is late, its
        // caller is to be told why.
        let give_up = Instant::now() + self.cluster.shared.settings.timeout().mul_f64(0.9);
        let (mut redirected, mut redirections, mut pause) = (None, 0, Duration::ZERO);
        let mut refused = RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "nobody has the slot"));
        loop {
            if Instant::now() + pause > give_up {
                return Err(refused);
            }
            sleep(pause).await;
            pause = (pause * 2).clamp(PAUSE, PAUSE_AT_MOST);
            let (node, asking) = match redirected.take() {
                Some(redirection) => redirection,
                None => match self.cluster.shared.map.borrow().owner(slot) {
                    Some(node) => (node.clone(), false),
                    None => continue,
                },
            };
            self.at = Some(node.clone());
            let answer = if asking { ask_for(&node.server, command).await } else { node.server.query(command).await };
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Server(kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask)) => {
                    let to = error.redirect_node().and_then(|(to, _)| Address::of_redirection(to, &node.address));
                    let is_ask = kind == ServerErrorKind::Ask;
                    redirected = to.and_then(|to| Some((self.cluster.shared.node(&to).ok()?, is_ask)));
                    if !is_ask {
                        self.cluster.doubt();
                    }
                    // To be sent elsewhere once is usual; twice is a cluster that does not agree yet.
                    if redirections == 0 {
                        pause = Duration::ZERO;
                    }
                    redirections += 1;
                }
                ErrorKind::Server(ServerErrorKind::TryAgain) => {}
                ErrorKind::Server(ServerErrorKind::ClusterDown) => self.cluster.doubt(),
                ErrorKind::Io => {
                    self.cluster.doubt();
                    return Err(error);
                }
                _ => return Err(error),
            }
            refused = error;
        }
    }

    async fn send_where_it_is(&self, command: &Cmd) -> RedisResult<Value> {
        match &self.at {
            Some(node) => node.server.query(command).await,
            None => Err((ErrorKind::Client, "a command without a key is for no node of a cluster").into()),
        }
    }
}

/// Sends a command to the node to which its slot is on the way.
async fn ask_for(server: &Server, command: &Cmd) -> RedisResult<Value> {
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let answers = server.query_together(&both).await?;
    answers.into_iter().last().unwrap_or(Value::Nil).extract_error()
}

impl ConnectionLike for Errand<'_> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(command))
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Err((ErrorKind::Client, "several commands are no errand in a cluster").into()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_too_old_and_a_single_redis_are_refused_with_a_sentence() {
        let node = Address { host: "here".into(), port: 6379 };
        let refusal = |info: &str| check(info, &node).err().map(|unusable| unusable.to_string());
        assert_eq!(refusal("redis_version:7.0.15\r\ncluster_enabled:1\r\n"), None);
        assert_eq!(refusal("redis_version:10.0.0\r\ncluster_enabled:1\r\n"), None);
        let old = refusal("redis_version:6.2.14\r\ncluster_enabled:1\r\n").expect("too old");
        assert!(old.contains("Redis 6.2.14") && old.contains("Redis 7 or later"), "{old}");
        let single = refusal("redis_version:7.0.15\r\ncluster_enabled:0\r\n").expect("no cluster");
        assert!(single.contains("here:6379") && single.contains("REDIS_CLUSTER"), "{single}");
    }
}
