//! The pool of multiplexed connections to one server. Replaces connections that cannot recover by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::timeout;

use crate::store::redis::link::error::{detail_contains, timed_out};
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::CONNECT_TIMEOUT;

/// Maximum number of connections to a server; they are made when needed.
const MAX_CONNECTIONS: u32 = 2;
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(20);
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(200);
/// After so many attempts, some twenty seconds, only the next command starts anew, so no unused connection retries for ever.
const MAX_RECONNECT_ATTEMPTS: usize = 100;

/// Connections to one server.
pub struct ConnectionPool {
    pool: bb8::Pool<Connector>,
    primary: Arc<Primary>,
    timeout: Duration,
}

impl ConnectionPool {
    /// Connects when the first command is sent.
    pub fn new(primary: Arc<Primary>, timeout: Duration) -> Self {
        let pool = bb8::Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(timeout)
            .build_unchecked(Connector { primary: Arc::clone(&primary), timeout });
        Self { pool, primary, timeout }
    }

    /// Finds the server.
    pub const fn primary(&self) -> &Arc<Primary> {
        &self.primary
    }

    /// Sends commands as one pipeline; returns one reply for each.
    pub async fn send(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        // Callers have an earlier deadline. This one is for commands whose callers have given up.
        timeout(self.timeout, async {
            let mut connection = self.connection().await?;
            let replies = connection.manager.send_packed_commands(commands, 0, commands.len()).await;
            match &replies {
                Ok(replies) => replies.iter().for_each(|reply| {
                    if let Value::ServerError(error) = reply {
                        self.inspect_error(&connection, &error.clone().into());
                    }
                }),
                Err(error) => self.inspect_error(&connection, error),
            }
            replies
        })
        .await
        .unwrap_or_else(|_| Err(timed_out()))
    }

    /// A usable connection. It carries many commands at once, so it returns to the pool before its first command.
    async fn connection(&self) -> RedisResult<Connection> {
        loop {
            let connection = self.pool.get().await.map_err(|error| match error {
                bb8::RunError::User(error) => error,
                bb8::RunError::TimedOut => timed_out(),
            })?;
            let connection = connection.clone();
            if connection.is_usable(&self.primary) {
                return Ok(connection);
            }
        }
    }

    /// Marks the connection as broken, or its server as demoted, if the error says so.
    fn inspect_error(&self, connection: &Connection, error: &RedisError) {
        if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)) {
            self.primary.mark_demoted(connection.generation);
        } else if is_unrecoverable(error) {
            connection.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Makes the connections of the pool. Each reconnects by itself after a loss.
struct Connector {
    primary: Arc<Primary>,
    timeout: Duration,
}

#[derive(Clone)]
struct Connection {
    /// The generation of the primary in which it was made.
    generation: u64,
    manager: ConnectionManager,
    /// Whether it cannot recover.
    broken: Arc<AtomicBool>,
}

impl bb8::ManageConnection for Connector {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Connection, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT.min(self.timeout)))
            .set_response_timeout(Some(self.timeout))
            .set_min_delay(MIN_RECONNECT_DELAY)
            .set_max_delay(MAX_RECONNECT_DELAY)
            .set_number_of_retries(MAX_RECONNECT_ATTEMPTS);
        let generation = self.primary.generation();
        let manager = ConnectionManager::new_lazy_with_config(self.primary.client().await?, config)?;
        Ok(Connection { generation, manager, broken: Arc::default() })
    }

    async fn is_valid(&self, _: &mut Connection) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_usable(&self.primary)
    }
}

impl Connection {
    fn is_usable(&self, primary: &Primary) -> bool {
        self.generation == primary.generation() && !self.broken.load(Ordering::Relaxed)
    }
}

/// Whether a connection must be replaced after this error. A manager reconnects after a loss, but it keeps a rejected login for
/// good.
fn is_unrecoverable(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::UnexpectedReturnType => false,
        ErrorKind::Server(ServerErrorKind::ResponseError) => detail_contains(error, "max number of clients"),
        ErrorKind::Server(_) => false,
        ErrorKind::Extension => matches!(error.code(), Some("NOAUTH" | "WRONGPASS")),
        _ => true,
    }
}
