//! A Redis Cluster for one test: real nodes on loopback, killed when dropped. A single node is in `redis_server`, moving slots is in
//! `redis_resharding`.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::redis_server::RedisServer;
use super::{TIMEOUT, eventually};

/// Slots of a cluster.
pub const SLOTS: u16 = 16_384;
/// A primary that is silent for this long is replaced by its replica, which takes one to two seconds more.
const NODE_TIMEOUT_MILLIS: &str = "1500";

/// Primaries that share the slots evenly, and as many replicas.
pub struct RedisCluster {
    /// First the primaries in the order of their slots, then the replicas of each in turn. The roles may change.
    nodes: Vec<Node>,
}

struct Node {
    server: RedisServer,
    id: String,
    frozen: bool,
}

/// What a node reports about itself.
#[derive(Debug)]
pub struct NodeInfo {
    pub is_primary: bool,
    /// The primary of a replica.
    pub primary: Option<String>,
    /// The claim with the highest epoch counts.
    pub epoch: u64,
    pub slots: Vec<RangeInclusive<u16>>,
}

impl RedisCluster {
    /// Three primaries, each with a replica.
    pub async fn start() -> Self {
        Self::with(3, 1, &[]).await
    }

    /// A cluster of this size. `args` are additional arguments of the nodes.
    pub async fn with(primaries: usize, replicas: usize, args: &[&str]) -> Self {
        let common = [
            "--cluster-node-timeout",
            NODE_TIMEOUT_MILLIS,
            // Serve the other shards while one is unavailable.
            "--cluster-require-full-coverage",
            "no",
            // Keep every replica with its shard.
            "--cluster-allow-replica-migration",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let args = [&common, args].concat();
        let servers = join_all((0..primaries * (1 + replicas)).map(|_| RedisServer::start_lone_node(&args))).await;
        let nodes = join_all(servers.into_iter().map(async |server| {
            let id = server.query(&["CLUSTER", "MYID"]).await;
            Node { server, id, frozen: false }
        }));
        let cluster = Self { nodes: nodes.await };
        cluster.create(primaries).await;
        cluster.wait_until_settled().await;
        cluster
    }

    async fn create(&self, primaries: usize) {
        let share = |n: usize| (usize::from(SLOTS) * n / primaries) as u16;
        let buses = join_all(
            self.nodes.iter().map(|node| node.server.query::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])),
        );
        let buses: Vec<_> = buses.await.into_iter().map(|setting| setting[1].clone()).collect();
        join_all(self.nodes.iter().enumerate().map(async |(number, node)| {
            // Different epochs from the start avoid conflicts later.
            node.server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await;
            if number < primaries {
                let (first, last) = (share(number).to_string(), (share(number + 1) - 1).to_string());
                node.server.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            }
            // Every node meets every other one, because gossip takes longer.
            for (other, bus) in self.nodes[..number].iter().zip(&buses) {
                let (host, port) = host_and_port(&other.server);
                node.server.command(&["CLUSTER", "MEET", &host, &port, bus]).await;
            }
        }))
        .await;
        join_all(self.nodes[primaries..].iter().enumerate().map(async |(number, node)| {
            let primary = &self.nodes[number % primaries].id;
            let connection = node.server.connection().await;
            eventually("the replica knows its primary", async || {
                let mut replicate = redis::cmd("CLUSTER");
                replicate.arg("REPLICATE").arg(primary).exec_async(&mut connection.clone()).await.is_ok()
            })
            .await;
        }))
        .await;
    }

    /// The addresses of all nodes, as `REDIS_URL` takes them.
    pub fn url(&self) -> String {
        self.nodes.iter().map(|node| node.server.url()).collect::<Vec<_>>().join(",")
    }

    /// A node by its number.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number].server
    }

    /// The cluster's id of a node.
    pub fn id(&self, number: usize) -> &str {
        &self.nodes[number].id
    }

    /// The numbers of the nodes that are neither killed nor frozen.
    pub fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|number| self.is_running(*number))
    }

    fn is_running(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.server.is_running() && !node.frozen
    }

    /// Waits until all running nodes agree on the slots, and every replica is connected to its primary.
    pub async fn wait_until_settled(&self) {
        let start = Instant::now();
        let mut views = Vec::new();
        while start.elapsed() < TIMEOUT {
            views = join_all(self.running().map(|number| self.view(number))).await;
            if views.iter().all(|view| view.is_some() && *view == views[0]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the cluster does not settle: {views:#?}");
    }

    /// A node's view of the running nodes; `None` while it is not settled.
    async fn view(&self, number: usize) -> Option<Vec<String>> {
        let query = async |connection: &mut MultiplexedConnection| -> RedisResult<_> {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(connection).await?;
            let replication: String = redis::cmd("INFO").arg("replication").query_async(connection).await?;
            let nodes: String = redis::cmd("CLUSTER").arg("NODES").query_async(connection).await?;
            Ok((info, replication, nodes))
        };
        let (info, replication, nodes) = query(&mut self.node(number).connection().await).await.ok()?;
        let mut view = Vec::new();
        for node in self.running() {
            let line = nodes.lines().find(|line| line.starts_with(self.id(node)))?;
            let words: Vec<_> = line.split(' ').collect();
            let flags = words[2].trim_start_matches("myself,");
            if !matches!(flags, "master" | "slave") || (node != number && words[7] != "connected") {
                return None;
            }
            view.push([&words[..1], &[flags], &words[3..4], &words[8..]].concat().join(" "));
        }
        // A replica whose primary was killed has no connection.
        let is_linked = !replication.contains("role:slave") || replication.contains("master_link_status:up");
        (info.contains("cluster_state:ok") && is_linked).then_some(view)
    }

    /// What a node reports about itself.
    pub async fn node_info(&self, number: usize) -> NodeInfo {
        let nodes: String = self.node(number).query(&["CLUSTER", "NODES"]).await;
        let own = nodes.lines().find(|line| line.contains("myself")).expect("a node knows itself");
        let words: Vec<_> = own.split(' ').collect();
        // Slots in brackets are migrating.
        let slots = words[8..].iter().filter(|slots| !slots.starts_with('[')).map(|slots| {
            let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
            first.parse().expect("a slot")..=last.parse().expect("a slot")
        });
        NodeInfo {
            is_primary: words[2].contains("master"),
            primary: (words[3] != "-").then(|| words[3].to_owned()),
            epoch: words[6].parse().expect("an epoch"),
            slots: slots.collect(),
        }
    }

    /// The running primary of a slot.
    pub async fn owner(&self, slot: u16) -> Option<usize> {
        let mut owner = None;
        for number in self.running() {
            let info = self.node_info(number).await;
            if info.is_primary && info.slots.iter().any(|slots| slots.contains(&slot)) {
                owner = owner.max(Some((info.epoch, number)));
            }
        }
        owner.map(|(_, number)| number)
    }

    /// The running replicas of a primary.
    pub async fn replicas(&self, primary: usize) -> Vec<usize> {
        let mut replicas = Vec::new();
        for number in self.running() {
            if self.node_info(number).await.primary.as_deref() == Some(self.id(primary)) {
                replicas.push(number);
            }
        }
        replicas
    }

    /// Waits until the replicas of a primary have everything that it had at the time of the call. Returns that time: only later
    /// writes can be lost with the primary.
    pub async fn wait_for_replicas(&self, primary: usize) -> Instant {
        let start = Instant::now();
        let expected = self.offset(primary, "master_repl_offset:").await;
        for replica in self.replicas(primary).await {
            while self.offset(replica, "slave_repl_offset:").await < expected {
                assert!(start.elapsed() < TIMEOUT, "a replica does not follow");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        start
    }

    async fn offset(&self, number: usize, name: &str) -> u64 {
        let info: String = self.node(number).query(&["INFO", "replication"]).await;
        let offset = info.lines().find_map(|line| line.strip_prefix(name)).expect("an offset");
        offset.trim().parse().expect("a number")
    }

    /// Waits until another node than `former` is the primary of a slot. Returns that node.
    pub async fn wait_for_new_primary(&self, slot: u16, former: usize) -> usize {
        let start = Instant::now();
        loop {
            match self.owner(slot).await {
                Some(number) if number != former => {
                    println!("slot {slot} has another primary after {:?}", start.elapsed());
                    return number;
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            assert!(start.elapsed() < TIMEOUT, "slot {slot} gets no other primary");
        }
    }

    /// Kills a node. It loses its data, so a primary must not be restarted before its replica was promoted.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].server.kill();
        self.nodes[number].frozen = false;
    }

    /// Restarts a killed node.
    pub async fn restart(&mut self, number: usize) {
        self.nodes[number].server.restart().await;
    }

    /// Freezes a node.
    pub fn freeze(&mut self, number: usize) {
        self.nodes[number].server.signal("STOP");
        self.nodes[number].frozen = true;
    }

    /// Resumes a frozen node.
    pub fn thaw(&mut self, number: usize) {
        self.nodes[number].server.signal("CONT");
        self.nodes[number].frozen = false;
    }
}

/// Host and port of a node.
pub fn host_and_port(server: &RedisServer) -> (String, String) {
    let address = server.address();
    let (host, port) = address.split_once(':').expect("host and port");
    (host.to_owned(), port.to_owned())
}

/// The slot of keys with this hash tag.
pub fn slot_of(tag: &str) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % SLOTS
}
