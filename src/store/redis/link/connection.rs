//! The way to Redis for commands: pool, deadlines, and what an error of Redis means. To which node of a cluster a command
//! goes is decided in `cluster`, how commands of many callers go together in `gathered`; announcements come over
//! connections of their own, in `feed`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, Value};
use tokio::time::timeout;

use crate::critical_tasks::CriticalTasks;
use crate::store::StoreError;
use crate::store::redis::acl;
use crate::store::redis::link::batching::{Carrier, Gathered};
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::connect_error::{NoConnection, NoRight, is_denied, is_wrapped_outage, says};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::{CONNECTING, Settings};

const RECONNECT_AFTER: Duration = Duration::from_millis(20);
const RECONNECT_AT_LEAST_EVERY: Duration = Duration::from_millis(200);
/// After so many attempts, some twenty seconds, the next command begins anew: nothing tries for ever once nobody asks.
const RECONNECT_ATTEMPTS: usize = 100;

/// Redis did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not answer within {0:?}")]
pub(in crate::store::redis) struct Late(pub Duration);

/// Runs commands, each under the deadline.
pub(in crate::store::redis) struct Commands {
    way: Way,
    timeout: Duration,
}

/// Where commands go.
pub(in crate::store::redis) enum Way {
    Server(Server),
    Cluster(Cluster),
}

impl Commands {
    /// Makes sure that Redis takes us at all. What goes on by itself is `critical_tasks`.
    pub async fn connect(settings: &Settings, critical_tasks: CriticalTasks) -> Result<Self, StoreError> {
        let timeout = settings.timeout();
        let way = if settings.is_cluster() {
            Way::Cluster(Cluster::connect(settings, critical_tasks).await?)
        } else {
            let primary = Primary::of(settings).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
            let mut connection = greet(settings, primary.client(), settings.address()).await?;
            // Each call of it is under the deadline of the connection.
            let allowed = acl::check(&mut connection, settings.prefix()).await;
            allowed.map_err(|source| no_connection(settings.address(), source))?;
            Way::Server(Server::new(primary, timeout))
        };
        Ok(Self { way, timeout })
    }

    /// The cluster, if this is one.
    pub const fn cluster(&self) -> Option<&Cluster> {
        match &self.way {
            Way::Server(_) => None,
            Way::Cluster(cluster) => Some(cluster),
        }
    }

    /// How long one of them may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The way that they go.
    pub const fn way(&self) -> &Way {
        &self.way
    }

    /// Ends what goes on by itself, and waits for commands that are under way. Others still work.
    pub async fn close(&self) {
        match &self.way {
            Way::Server(server) => server.end().await,
            Way::Cluster(cluster) => cluster.close().await,
        }
    }

    /// Runs a script. It may have run even when this fails; only where Redis did not know it yet, or it is another node
    /// that has its keys, is it sent twice.
    pub async fn run(&self, script: &ScriptInvocation<'_>) -> Result<Value, StoreError> {
        self.within_deadline(async {
            match &self.way {
                Way::Server(server) => script.invoke_async(&mut server.lines.clone()).await,
                Way::Cluster(cluster) => script.invoke_async(&mut cluster.errand()).await,
            }
        })
        .await
    }

    /// Runs one command. It may have run even when this fails.
    pub async fn query(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.within_deadline(async {
            match &self.way {
                Way::Server(server) => server.query(command).await,
                Way::Cluster(cluster) => command.query_async(&mut cluster.errand()).await,
            }
        })
        .await
    }

    /// Writes something under a key; in a cluster under one of each primary, and succeeds when most of them took it.
    pub async fn write_everywhere(&self, key: impl Fn(u32) -> String) -> Result<(), StoreError> {
        let write = |key: &str| {
            let mut write = redis::cmd("SET");
            write.arg(key).arg(1).arg("PX").arg(1_000);
            write
        };
        let Way::Cluster(cluster) = &self.way else { return self.query(&write(&key(0))).await.map(drop) };
        let keys = cluster.key_of_each_primary(key);
        let mut writes: FuturesUnordered<_> =
            keys.iter().map(|key| async { self.query(&write(key)).await.map(drop) }).collect();
        let (mut taken, mut refused) = (0, StoreError::Unavailable("no primary has any slot".into()));
        while let Some(answer) = writes.next().await {
            match answer {
                Ok(()) => taken += 1,
                Err(error) => refused = error,
            }
            if 2 * taken > keys.len() {
                return Ok(());
            }
        }
        Err(refused)
    }

    /// By what Redis chooses the keys it evicts when memory runs out; `None` when it evicts none, or does not say.
    pub async fn eviction_policy(&self) -> Option<String> {
        let mut ask = redis::cmd("INFO");
        ask.arg("memory");
        let answers = match &self.way {
            Way::Server(_) => vec![self.query(&ask).await],
            Way::Cluster(cluster) => {
                let asked = cluster.primaries().into_iter().map(async |node| node.server.query(&ask).await);
                self.within_deadline(async { Ok(join_all(asked).await) })
                    .await
                    .into_iter()
                    .flatten()
                    .map(|answer| answer.map_err(meaning))
                    .collect()
            }
        };
        answers.into_iter().flatten().find_map(|memory| {
            let memory: String = redis::from_redis_value(memory).ok()?;
            let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
            (policy != "noeviction").then(|| policy.to_owned())
        })
    }

    /// Whether the keys of a call must be in one slot.
    pub async fn takes_one_slot(&self) -> bool {
        let Way::Server(_) = &self.way else { return true };
        let mut ask = redis::cmd("INFO");
        ask.arg("cluster");
        let answer = self.query(&ask).await.ok();
        answer.is_some_and(|info| {
            redis::from_redis_value::<String>(info).is_ok_and(|info| info.contains("cluster_enabled:1"))
        })
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, StoreError> {
        match timeout(self.timeout, work).await {
            Ok(answer) => answer.map_err(meaning),
            Err(_) => {
                if let Way::Cluster(cluster) = &self.way {
                    cluster.doubt();
                }
                Err(StoreError::Unavailable(Box::new(Late(self.timeout))))
            }
        }
    }
}

/// Makes one connection to see whether this server takes us at all.
pub(in crate::store::redis) async fn greet(
    settings: &Settings,
    client: impl Future<Output = RedisResult<Client>>,
    address: String,
) -> Result<MultiplexedConnection, StoreError> {
    let connect = async { client.await?.get_multiplexed_async_connection_with_config(&settings.single()).await };
    timeout(settings.timeout(), connect)
        .await
        .unwrap_or_else(|_| Err(late()))
        .map_err(|source| no_connection(address, source))
}

fn no_connection(address: String, source: RedisError) -> StoreError {
    StoreError::Unavailable(Box::new(NoConnection::new(address, source)))
}

fn late() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The connections to one server, or to whichever is the primary; two at most, made when they are needed.
pub(in crate::store::redis) struct Server {
    lines: Gathered<Lines>,
    primary: Arc<Primary>,
}

impl Server {
    pub fn new(primary: Primary, timeout: Duration) -> Self {
        let primary = Arc::new(primary);
        let pool = bb8::Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(timeout)
            .build_unchecked(Connector { primary: Arc::clone(&primary), timeout });
        Self { lines: Gathered::by(Lines { pool, primary: Arc::clone(&primary), timeout }), primary }
    }

    /// Where it is.
    pub const fn primary(&self) -> &Arc<Primary> {
        &self.primary
    }

    /// Runs one command.
    pub async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        command.query_async(&mut self.lines.clone()).await
    }

    /// Runs commands that belong together, one right after the other; an answer for each.
    pub async fn query_together(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        self.lines.carrier().carry(commands).await
    }

    /// Waits for commands that are under way. Others still work.
    pub async fn end(&self) {
        self.lines.end().await;
    }
}

/// The connections, two at most.
struct Lines {
    pool: bb8::Pool<Connector>,
    primary: Arc<Primary>,
    timeout: Duration,
}

impl Carrier for Lines {
    async fn carry(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        // Whoever waits for these has a deadline too, and an earlier one; this is for what nobody waits for any longer.
        timeout(self.timeout, async {
            let Line { mut manager, spent, turn } = self.line().await?;
            let answers = manager.send_packed_commands(commands, 0, commands.len()).await;
            let look_at = |error: &RedisError| {
                if is_spent_after(error) {
                    spent.store(true, Ordering::Relaxed);
                }
                if is_of_a_replica(error) {
                    self.primary.is_none(turn);
                }
            };
            match &answers {
                Ok(answers) => answers.iter().for_each(|answer| {
                    if let Value::ServerError(error) = answer {
                        look_at(&error.clone().into());
                    }
                }),
                Err(error) => look_at(error),
            }
            answers
        })
        .await
        .unwrap_or_else(|_| Err(late()))
    }
}

impl Lines {
    /// A line to use. It carries many calls at once, so it goes back to the pool before the first of them.
    async fn line(&self) -> RedisResult<Line> {
        loop {
            let line = self.pool.get().await.map_err(|error| match error {
                bb8::RunError::User(error) => error,
                bb8::RunError::TimedOut => late(),
            })?;
            let line = line.clone();
            if line.is_good(&self.primary) {
                return Ok(line);
            }
        }
    }
}

/// Makes the connections of the pool. Each finds its way back by itself after a loss.
struct Connector {
    primary: Arc<Primary>,
    timeout: Duration,
}

#[derive(Clone)]
struct Line {
    /// In which turn of the primary it was made.
    turn: u64,
    manager: ConnectionManager,
    /// Nothing will come of it any more.
    spent: Arc<AtomicBool>,
}

impl bb8::ManageConnection for Connector {
    type Connection = Line;
    type Error = RedisError;

    async fn connect(&self) -> Result<Line, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING.min(self.timeout)))
            .set_response_timeout(Some(self.timeout))
            .set_min_delay(RECONNECT_AFTER)
            .set_max_delay(RECONNECT_AT_LEAST_EVERY)
            .set_number_of_retries(RECONNECT_ATTEMPTS);
        let turn = self.primary.turn();
        let manager = ConnectionManager::new_lazy_with_config(self.primary.client().await?, config)?;
        Ok(Line { turn, manager, spent: Arc::default() })
    }

    async fn is_valid(&self, _: &mut Line) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, line: &mut Line) -> bool {
        !line.is_good(&self.primary)
    }
}

impl Line {
    fn is_good(&self, primary: &Primary) -> bool {
        self.turn == primary.turn() && !self.spent.load(Ordering::Relaxed)
    }
}

/// Whether a line must be replaced after this error. A manager replaces what broke, but it keeps for good what it was
/// refused, and stays with a server that became a replica.
fn is_spent_after(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::UnexpectedReturnType => false,
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => says(error, "max number of clients"),
        ErrorKind::Server(_) => false,
        ErrorKind::Extension => matches!(error.code(), Some("NOAUTH" | "WRONGPASS")),
        _ => true,
    }
}

fn is_of_a_replica(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// What an error of Redis means to whoever called. `ERR` and `WRONGTYPE` are defects of a script or of the data.
fn meaning(error: RedisError) -> StoreError {
    let is_defect = match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::CrossSlot) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => !is_wrapped_outage(&error),
        ErrorKind::Extension => error.code() == Some("WRONGTYPE"),
        _ => false,
    };
    if is_denied(&error) {
        return StoreError::Unavailable(Box::new(NoRight(error)));
    }
    if is_defect { StoreError::Corrupt(Box::new(error)) } else { StoreError::Unavailable(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_told_from_defects() {
        let error = |kind: ServerErrorKind, detail: &str| {
            meaning(RedisError::from((ErrorKind::Server(kind), "", detail.to_owned())))
        };
        let wrapped = "Error running script: @user_script: 36: -OOM command not allowed";
        assert!(matches!(error(ServerErrorKind::ResponseError, wrapped), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::ReadOnly, ""), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::BusyLoading, ""), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::ResponseError, "attempt to index nil"), StoreError::Corrupt(_)));
    }
}
