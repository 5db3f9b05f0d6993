//! The way to Redis for commands: pool, deadlines, and what an error of Redis means. How commands of many
//! callers go together is in `gathered`; announcements come over a connection of their own, in `feed`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, Value};
use tokio::time::timeout;

use super::gathered::{Carrier, Gathered};
use super::primary::Primary;
use super::refused::{NoConnection, NoRight, is_denied};
use super::rights;
use super::settings::{CONNECTING, Settings};
use crate::store::StoreError;

const RECONNECT_AFTER: Duration = Duration::from_millis(20);
const RECONNECT_AT_LEAST_EVERY: Duration = Duration::from_millis(200);
/// After so many attempts, some twenty seconds, the next command begins anew: nothing tries for ever once nobody asks.
const RECONNECT_ATTEMPTS: usize = 100;

/// Redis did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not answer within {0:?}")]
pub(super) struct Late(pub Duration);

/// Runs commands, each under the deadline.
pub(super) struct Commands {
    lines: Gathered<Lines>,
    timeout: Duration,
}

impl Commands {
    /// Makes one connection to see whether Redis takes us at all.
    pub async fn connect(settings: &Settings, primary: &Arc<Primary>) -> Result<Self, StoreError> {
        let deadline = settings.timeout();
        let refused = |source| StoreError::Unavailable(Box::new(NoConnection::new(settings.address(), source)));
        let connect =
            async { primary.client().await?.get_multiplexed_async_connection_with_config(&settings.single()).await };
        let mut connection = timeout(deadline, connect)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            .map_err(refused)?;
        // Each call of it is under the deadline of the connection.
        rights::check(&mut connection, settings.prefix()).await.map_err(refused)?;
        let pool = bb8::Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(deadline)
            .build_unchecked(Connector { primary: Arc::clone(primary), timeout: deadline });
        let lines = Lines { pool, primary: Arc::clone(primary), timeout: deadline };
        Ok(Self { lines: Gathered::by(lines), timeout: deadline })
    }

    /// Waits for commands that are under way. Others still work.
    pub async fn end(&self) {
        self.lines.end().await;
    }

    /// Runs a script. It may have run even when this fails; only where Redis did not know it yet is it sent twice.
    pub async fn run(&self, script: &ScriptInvocation<'_>) -> Result<Value, StoreError> {
        self.in_time(script.invoke_async(&mut self.lines.clone())).await
    }

    /// Runs one command. It may have run even when this fails.
    pub async fn query(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.in_time(command.query_async(&mut self.lines.clone())).await
    }

    /// By what Redis chooses the keys it evicts when memory runs out; `None` when it evicts none, or does not say.
    pub async fn eviction_policy(&self) -> Option<String> {
        let memory = self.query(redis::cmd("INFO").arg("memory")).await.ok()?;
        let memory: String = redis::from_redis_value(memory).ok()?;
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
        (policy != "noeviction").then(|| policy.to_owned())
    }

    async fn in_time(&self, answer: impl Future<Output = RedisResult<Value>>) -> Result<Value, StoreError> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(meaning),
            Err(_) => Err(StoreError::Unavailable(Box::new(Late(self.timeout)))),
        }
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
        let late = || RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
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
                bb8::RunError::TimedOut => io::Error::from(io::ErrorKind::TimedOut).into(),
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
            // Every call has its own.
            .set_response_timeout(None)
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
    // Before version 7, Redis wraps what went wrong inside a script into an `ERR`.
    const OUTAGES: [&str; 8] = [
        "-OOM ",
        "-READONLY ",
        "-MISCONF ",
        "-LOADING ",
        "-NOREPLICAS ",
        "-MASTERDOWN ",
        "-CLUSTERDOWN ",
        "max number of clients",
    ];
    let is_defect = match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::CrossSlot) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => !OUTAGES.iter().any(|outage| says(&error, outage)),
        ErrorKind::Extension => error.code() == Some("WRONGTYPE"),
        _ => false,
    };
    if is_denied(&error) {
        return StoreError::Unavailable(Box::new(NoRight(error)));
    }
    if is_defect { StoreError::Corrupt(Box::new(error)) } else { StoreError::Unavailable(Box::new(error)) }
}

fn says(error: &RedisError, words: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(words))
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
