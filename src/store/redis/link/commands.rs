//! Runs commands and scripts under a deadline, on a single Redis or on a cluster. Pub/sub has connections of its own, in `pubsub`.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value};
use tokio::time::timeout;

use crate::critical_tasks::CriticalTasks;
use crate::store::StoreError;
use crate::store::redis::link::batching::Server;
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::connect_error::ConnectError;
use crate::store::redis::link::error::{TimedOut, to_store_error, unavailable};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::routed_connection::RoutedConnection;
use crate::store::redis::link::script::ScriptCall;
use crate::store::redis::link::settings::Settings;

/// Runs commands, each under the same deadline.
pub struct CommandClient {
    backend: Backend,
    timeout: Duration,
}

/// Where commands are sent.
pub enum Backend {
    Server(Server),
    Cluster(Cluster),
}

impl CommandClient {
    /// Connects, and fails if Redis rejects the login. On a single Redis, `check` runs on the first connection. Background tasks
    /// run as `critical_tasks`.
    pub async fn connect(
        settings: &Settings,
        critical_tasks: CriticalTasks,
        check: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<()>,
    ) -> Result<Self, StoreError> {
        let timeout = settings.timeout;
        let backend = if settings.is_cluster() {
            Backend::Cluster(Cluster::connect(settings, critical_tasks).await?)
        } else {
            let primary = Primary::from_settings(settings).map_err(unavailable)?;
            let mut connection = primary.probe(settings, settings.address()).await?;
            // Each command of the check is under the connection's deadline.
            check(&mut connection)
                .await
                .map_err(|source| unavailable(ConnectError::new(settings.address(), source)))?;
            Backend::Server(Server::new(primary, timeout))
        };
        Ok(Self { backend, timeout })
    }

    /// The cluster, if Redis is one.
    pub const fn cluster(&self) -> Option<&Cluster> {
        match &self.backend {
            Backend::Server(_) => None,
            Backend::Cluster(cluster) => Some(cluster),
        }
    }

    /// How long a command may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where commands are sent.
    pub const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Ends background tasks and waits for commands in flight. New ones still work.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Server(server) => server.drain().await,
            Backend::Cluster(cluster) => cluster.close().await,
        }
    }

    /// Runs a script. It may have run even if this fails. It is sent again only if Redis did not know the script, or the node did
    /// not run it because of the state of the cluster.
    pub async fn run(&self, call: &ScriptCall<'_>) -> Result<Value, StoreError> {
        self.with_deadline(async {
            match &self.backend {
                Backend::Server(server) => server.run_script(call).await,
                Backend::Cluster(cluster) => RoutedConnection::new(cluster).run_script(call).await,
            }
        })
        .await
    }

    /// Runs one command. It may have run even if this fails.
    pub async fn query(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.with_deadline(async {
            match &self.backend {
                Backend::Server(server) => server.query(command).await,
                Backend::Cluster(cluster) => RoutedConnection::new(cluster).query(command).await,
            }
        })
        .await
    }

    /// Runs commands on keys of one slot, in this order. Commands of other clients may come between them, and in a cluster some of
    /// them may run on another node. They may run more than once, so they must not write.
    pub async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        self.with_deadline(async {
            match &self.backend {
                Backend::Server(server) => server.query_all(commands).await,
                Backend::Cluster(cluster) => RoutedConnection::new(cluster).query_all(commands).await,
            }
        })
        .await
    }

    /// Writes a value that expires after a second. In a cluster it writes one key of each primary, and succeeds when most of the
    /// primaries took it.
    pub async fn write_to_most_primaries(&self, key: impl Fn(u32) -> String) -> Result<(), StoreError> {
        let write = |key: &str| {
            let mut write = redis::cmd("SET");
            write.arg(key).arg(1).arg("PX").arg(1_000);
            write
        };
        let Backend::Cluster(cluster) = &self.backend else { return self.query(&write(&key(0))).await.map(drop) };
        let keys = cluster.topology().key_on_each_primary(key);
        let mut writes: FuturesUnordered<_> =
            keys.iter().map(|key| async { self.query(&write(key)).await.map(drop) }).collect();
        let (mut successes, mut last_error) = (0, StoreError::Unavailable("no primary has any slot".into()));
        while let Some(result) = writes.next().await {
            match result {
                Ok(()) => successes += 1,
                Err(error) => last_error = error,
            }
            if 2 * successes > keys.len() {
                return Ok(());
            }
        }
        Err(last_error)
    }

    /// The policy by which Redis evicts keys when memory runs out; `None` if it evicts none, or does not report it.
    pub async fn eviction_policy(&self) -> Option<String> {
        let replies = match &self.backend {
            Backend::Server(server) => vec![server.info("memory").await],
            Backend::Cluster(cluster) => {
                let topology = cluster.topology();
                join_all(topology.primaries.iter().map(|node| node.server.info("memory"))).await
            }
        };
        replies.into_iter().flatten().find_map(|memory| {
            let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
            (policy != "noeviction").then(|| policy.to_owned())
        })
    }

    async fn with_deadline<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, StoreError> {
        match timeout(self.timeout, work).await {
            Ok(result) => result.map_err(to_store_error),
            Err(_) => {
                if let Backend::Cluster(cluster) = &self.backend {
                    cluster.request_refresh();
                }
                Err(unavailable(TimedOut(self.timeout)))
            }
        }
    }
}
