//! The way to Redis for commands: settings, pool, deadlines, and what an error of Redis means. Announcements come over
//! a connection of their own, in `feed`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, ScriptInvocation, ServerErrorKind, Value,
};
use tokio::time::timeout;

use crate::store::StoreError;

const CONNECTING: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A peer that acknowledges nothing for so long is gone.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);
const RECONNECT_AFTER: Duration = Duration::from_millis(20);
const RECONNECT_AT_LEAST_EVERY: Duration = Duration::from_millis(200);
/// After so many attempts, some twenty seconds, the next command begins anew: nothing tries for ever once nobody asks.
const RECONNECT_ATTEMPTS: usize = 100;

/// How Redis is reached and used.
#[derive(Clone)]
pub struct Settings {
    connection: ConnectionInfo,
    prefix: String,
    timeout: Duration,
}

impl Settings {
    /// A Redis by its URL, as in `redis://user:password@host:6379/0`, and the prefix of every key and channel there.
    pub fn new(url: &str, prefix: &str) -> Result<Self, InvalidSettings> {
        Self::of(url, prefix)
    }

    /// A Redis by its host, its port and, if it asks for one, its password.
    pub fn at(host: &str, port: u16, password: Option<&str>, prefix: &str) -> Result<Self, InvalidSettings> {
        let mut settings = Self::of((host, port), prefix)?;
        if let Some(password) = password {
            let login = settings.connection.redis_settings().clone().set_password(password);
            settings.connection = settings.connection.set_redis_settings(login);
        }
        Ok(settings)
    }

    fn of(connection: impl IntoConnectionInfo, prefix: &str) -> Result<Self, InvalidSettings> {
        let connection = connection.into_connection_info().map_err(InvalidSettings::Url)?;
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(InvalidSettings::Prefix);
        }
        Ok(Self { connection, prefix: prefix.to_owned(), timeout: Duration::from_secs(1) })
    }

    /// Gives every call so long, in place of one second.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What every key and channel begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Host and port, without the password.
    pub fn address(&self) -> String {
        self.connection.addr().to_string()
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How a single connection is made.
    pub(super) fn single(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING.min(self.timeout)))
            .set_response_timeout(Some(self.timeout))
    }

    /// RESP3 everywhere: announcements need it, and a command connection learns at once that it is lost.
    pub(super) fn client(&self) -> RedisResult<Client> {
        let login = self.connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
        Client::open(self.connection.clone().set_redis_settings(login).set_tcp_settings(tcp))
    }
}

/// Shows where, never the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.connection.addr().to_string())
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why there can be no [`Settings`].
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    #[error("this is not the URL of a Redis")]
    Url(#[source] RedisError),
    #[error("the prefix of keys in Redis must not be empty or contain braces")]
    Prefix,
}

/// Redis could not be reached, or turned us away, at start.
#[derive(Debug, thiserror::Error)]
enum NoConnection {
    #[error("cannot connect to Redis at {address}")]
    Failed { address: String, source: RedisError },
    #[error(
        "cannot connect to Redis at {address}: it wants another password; set REDIS_PASSWORD or the one in REDIS_URL"
    )]
    TurnedAway { address: String, source: RedisError },
}

impl NoConnection {
    fn new(address: String, source: RedisError) -> Self {
        let turned_away = matches!(source.kind(), ErrorKind::AuthenticationFailed)
            || matches!(source.code(), Some("NOAUTH" | "WRONGPASS"));
        if turned_away { Self::TurnedAway { address, source } } else { Self::Failed { address, source } }
    }
}

/// Redis did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not answer within {0:?}")]
pub(super) struct Late(pub Duration);

/// Runs commands, each under the deadline.
pub(super) struct Commands {
    pool: bb8::Pool<Connector>,
    timeout: Duration,
}

impl Commands {
    /// Makes one connection to see whether Redis takes us at all.
    pub async fn connect(settings: &Settings, client: &Client) -> Result<Self, StoreError> {
        let Settings { connection, timeout: deadline, .. } = settings;
        timeout(*deadline, client.get_multiplexed_async_connection_with_config(&settings.single()))
            .await
            .map_err(|_| StoreError::Unavailable(Box::new(Late(*deadline))))?
            .map_err(|source| {
                StoreError::Unavailable(Box::new(NoConnection::new(connection.addr().to_string(), source)))
            })?;
        let pool = bb8::Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(*deadline)
            .build_unchecked(Connector { client: client.clone(), timeout: *deadline });
        Ok(Self { pool, timeout: *deadline })
    }

    /// Runs a script. It may have run even when this fails; only where Redis did not know it yet is it sent twice.
    pub async fn run(&self, script: &ScriptInvocation<'_>) -> Result<Value, StoreError> {
        self.call(async |mut connection| script.invoke_async(&mut connection).await).await
    }

    /// Runs one command. It may have run even when this fails.
    pub async fn query(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.call(async |mut connection| command.query_async(&mut connection).await).await
    }

    /// By what Redis chooses the keys it evicts when memory runs out; `None` when it evicts none, or does not say.
    pub async fn eviction_policy(&self) -> Option<String> {
        let memory = self.query(redis::cmd("INFO").arg("memory")).await.ok()?;
        let memory: String = redis::from_redis_value(memory).ok()?;
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
        (policy != "noeviction").then(|| policy.to_owned())
    }

    async fn call(&self, work: impl AsyncFnOnce(ConnectionManager) -> RedisResult<Value>) -> Result<Value, StoreError> {
        let answer = timeout(self.timeout, async {
            let line = self.line().await?;
            let answer = work(line.manager).await;
            if answer.as_ref().is_err_and(is_spent_after) {
                line.spent.store(true, Ordering::Relaxed);
            }
            answer.map_err(meaning)
        });
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable(Box::new(Late(self.timeout)))))
    }

    /// A line to use. It carries many calls at once, so it goes back to the pool before the first of them.
    async fn line(&self) -> Result<Line, StoreError> {
        loop {
            let line = self.pool.get().await.map_err(|error| StoreError::Unavailable(Box::new(error)))?.clone();
            if !line.spent.load(Ordering::Relaxed) {
                return Ok(line);
            }
        }
    }
}

/// Makes the connections of the pool. Each finds its way back by itself after a loss.
struct Connector {
    client: Client,
    timeout: Duration,
}

#[derive(Clone)]
struct Line {
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
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        Ok(Line { manager, spent: Arc::default() })
    }

    async fn is_valid(&self, _: &mut Line) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, line: &mut Line) -> bool {
        line.spent.load(Ordering::Relaxed)
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
    if is_defect { StoreError::Corrupt(Box::new(error)) } else { StoreError::Unavailable(Box::new(error)) }
}

fn says(error: &RedisError, words: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(words))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn no_description_of_settings_or_of_what_is_wrong_with_them_shows_the_password() {
        let settings =
            Settings::new("redis://somebody:open-sesame@redis.example:6380/2", "livechat").expect("settings");
        let shown = format!("{settings:?}");
        assert!(shown.contains("redis.example:6380") && !shown.contains("sesame"), "{shown}");
        for url in ["redis://:open-sesame@[nowhere", "redis://:open-sesame@host:no/", "http://:open-sesame@host/", ""] {
            let error = Settings::new(url, "livechat").expect_err("no URL of a Redis");
            let shown = format!("{error:?} {error} {:?}", error.source().map(ToString::to_string));
            assert!(!shown.contains("sesame"), "{shown}");
        }
    }

    #[test]
    fn a_prefix_with_braces_would_take_the_place_of_every_hash_tag() {
        for prefix in ["", "{a}", "a}"] {
            assert!(matches!(Settings::new("redis://localhost", prefix), Err(InvalidSettings::Prefix)));
        }
    }

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
