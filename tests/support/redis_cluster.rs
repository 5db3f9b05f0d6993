//! A Redis Cluster of a test's own: real nodes on loopback, killed when dropped. What one node is stands in `redis_server`;
//! how slots move from one node to another, in `redis_resharding`.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::redis_server::RedisServer;
use super::{PATIENCE, eventually};

/// How many slots there are.
pub const SLOTS: u16 = 16_384;
/// A primary that says nothing for so long is replaced by its replica, which takes one to two seconds more.
const NODE_TIMEOUT_MILLIS: &str = "1500";

/// Primaries that share the slots evenly, and as many replicas.
pub struct RedisCluster {
    /// First the primaries, in the order of their slots, then the replicas of each in turn. What a node is may change.
    nodes: Vec<Node>,
}

struct Node {
    server: RedisServer,
    id: String,
    frozen: bool,
}

/// What a node says of itself.
#[derive(Debug)]
pub struct Role {
    pub is_primary: bool,
    /// Whom a replica follows.
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

    /// So many primaries, each with so many replicas, whose nodes get these arguments, too.
    pub async fn with(primaries: usize, replicas: usize, args: &[&str]) -> Self {
        let common = [
            "--cluster-node-timeout",
            NODE_TIMEOUT_MILLIS,
            // What some shards keep is served while another is away.
            "--cluster-require-full-coverage",
            "no",
            // A replica stays with its shard.
            "--cluster-allow-replica-migration",
            "no",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let args = [&common, args].concat();
        let servers = join_all((0..primaries * (1 + replicas)).map(|_| RedisServer::start_lone_node(&args))).await;
        let nodes = join_all(servers.into_iter().map(async |server| {
            let id = server.ask(&["CLUSTER", "MYID"]).await;
            Node { server, id, frozen: false }
        }));
        let cluster = Self { nodes: nodes.await };
        cluster.join_up(primaries).await;
        cluster.settled().await;
        cluster
    }

    async fn join_up(&self, primaries: usize) {
        let share = |n: usize| (usize::from(SLOTS) * n / primaries) as u16;
        let buses =
            join_all(self.nodes.iter().map(|node| node.server.ask::<Vec<String>>(&["CONFIG", "GET", "cluster-port"])));
        let buses: Vec<_> = buses.await.into_iter().map(|setting| setting[1].clone()).collect();
        join_all(self.nodes.iter().enumerate().map(async |(number, node)| {
            // Epochs that differ from the start need not be sorted out later.
            node.server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await;
            if number < primaries {
                let (first, last) = (share(number).to_string(), (share(number + 1) - 1).to_string());
                node.server.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            }
            // Everybody meets everybody: hearsay takes longer.
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

    /// What the cluster calls a node.
    pub fn id(&self, number: usize) -> &str {
        &self.nodes[number].id
    }

    /// Those that were not killed and are not frozen, by their number.
    pub fn awake(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|number| self.is_awake(*number))
    }

    fn is_awake(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.server.is_running() && !node.frozen
    }

    /// Waits until every node that is awake serves, sees the same slots at the same primaries, and copies its primary if it
    /// is a replica.
    pub async fn settled(&self) {
        let start = Instant::now();
        let mut views = Vec::new();
        while start.elapsed() < PATIENCE {
            views = join_all(self.awake().map(|number| self.view(number))).await;
            if views.iter().all(|view| view.is_some() && *view == views[0]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the cluster does not settle: {views:#?}");
    }

    /// How a node sees those that are awake, if it has nothing to wait for.
    async fn view(&self, number: usize) -> Option<Vec<String>> {
        let look = async |connection: &mut MultiplexedConnection| -> RedisResult<_> {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(connection).await?;
            let replication: String = redis::cmd("INFO").arg("replication").query_async(connection).await?;
            let nodes: String = redis::cmd("CLUSTER").arg("NODES").query_async(connection).await?;
            Ok((info, replication, nodes))
        };
        let (info, replication, nodes) = look(&mut self.node(number).connection().await).await.ok()?;
        let mut view = Vec::new();
        for node in self.awake() {
            let line = nodes.lines().find(|line| line.starts_with(self.id(node)))?;
            let words: Vec<_> = line.split(' ').collect();
            let flags = words[2].trim_start_matches("myself,");
            if !matches!(flags, "master" | "slave") || (node != number && words[7] != "connected") {
                return None;
            }
            view.push([&words[..1], &[flags], &words[3..4], &words[8..]].concat().join(" "));
        }
        // A replica whose primary was killed copies nobody.
        let copies = !replication.contains("role:slave") || replication.contains("master_link_status:up");
        (info.contains("cluster_state:ok") && copies).then_some(view)
    }

    /// What a node says of itself.
    pub async fn role(&self, number: usize) -> Role {
        let nodes: String = self.node(number).ask(&["CLUSTER", "NODES"]).await;
        let own = nodes.lines().find(|line| line.contains("myself")).expect("a node knows itself");
        let words: Vec<_> = own.split(' ').collect();
        // What is in brackets is on the move.
        let slots = words[8..].iter().filter(|slots| !slots.starts_with('[')).map(|slots| {
            let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
            first.parse().expect("a slot")..=last.parse().expect("a slot")
        });
        Role {
            is_primary: words[2].contains("master"),
            primary: (words[3] != "-").then(|| words[3].to_owned()),
            epoch: words[6].parse().expect("an epoch"),
            slots: slots.collect(),
        }
    }

    /// The primary of a slot among those that are awake.
    pub async fn owner(&self, slot: u16) -> Option<usize> {
        let mut owner = None;
        for number in self.awake() {
            let role = self.role(number).await;
            if role.is_primary && role.slots.iter().any(|slots| slots.contains(&slot)) {
                owner = owner.max(Some((role.epoch, number)));
            }
        }
        owner.map(|(_, number)| number)
    }

    /// The replicas of a primary among those that are awake.
    pub async fn replicas(&self, primary: usize) -> Vec<usize> {
        let mut replicas = Vec::new();
        for number in self.awake() {
            if self.role(number).await.primary.as_deref() == Some(self.id(primary)) {
                replicas.push(number);
            }
        }
        replicas
    }

    /// Waits until the replicas of a primary have all that it had when this was asked: that moment. Whatever happens to the
    /// primary right afterwards, only what came later can be lost.
    pub async fn copied(&self, primary: usize) -> Instant {
        let (asked, start) = (Instant::now(), Instant::now());
        let had = self.offset(primary, "master_repl_offset:").await;
        for replica in self.replicas(primary).await {
            while self.offset(replica, "slave_repl_offset:").await < had {
                assert!(start.elapsed() < PATIENCE, "a replica does not follow");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        asked
    }

    async fn offset(&self, number: usize, name: &str) -> u64 {
        let info: String = self.node(number).ask(&["INFO", "replication"]).await;
        let offset = info.lines().find_map(|line| line.strip_prefix(name)).expect("an offset");
        offset.trim().parse().expect("a number")
    }

    /// Waits until another node than `former` is the primary of a slot; that node.
    pub async fn next_token(&self, slot: u16, former: usize) -> usize {
        let start = Instant::now();
        loop {
            match self.owner(slot).await {
                Some(number) if number != former => {
                    println!("slot {slot} has another primary after {:?}", start.elapsed());
                    return number;
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            assert!(start.elapsed() < PATIENCE, "slot {slot} gets no other primary");
        }
    }

    /// Kills a node. One that was a primary must not be restarted before it has a next_token: it keeps nothing.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].server.kill();
        self.nodes[number].frozen = false;
    }

    /// Starts a node again that was killed.
    pub async fn restart(&mut self, number: usize) {
        self.nodes[number].server.restart().await;
    }

    /// Stops a node in the middle of what it does.
    pub fn freeze(&mut self, number: usize) {
        self.nodes[number].server.signal("STOP");
        self.nodes[number].frozen = true;
    }

    /// Lets a frozen node go on.
    pub fn thaw(&mut self, number: usize) {
        self.nodes[number].server.signal("CONT");
        self.nodes[number].frozen = false;
    }
}

/// Where a node is.
pub fn host_and_port(server: &RedisServer) -> (String, String) {
    let address = server.address();
    let (host, port) = address.split_once(':').expect("host and port");
    (host.to_owned(), port.to_owned())
}

/// The slot of everything with this tag in its name, which stands in braces.
pub fn slot_of(tag: &str) -> u16 {
    let remainder = tag.bytes().fold(0_u16, |remainder, byte| {
        (0..8).fold(remainder ^ u16::from(byte) << 8, |remainder, _| {
            if remainder & 0x8000 == 0 { remainder << 1 } else { remainder << 1 ^ 0x1021 }
        })
    });
    remainder % SLOTS
}
