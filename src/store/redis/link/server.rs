//! One server, or whichever is the primary: its pool behind a batching connection, and the probe at start.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, Pipeline, RedisResult, ScriptInvocation, Value};
use tokio::time::timeout;

use crate::store::StoreError;
use crate::store::redis::link::batching::BatchedConnection;
use crate::store::redis::link::connect_error::ConnectError;
use crate::store::redis::link::error::timed_out;
use crate::store::redis::link::pool::ConnectionPool;
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::settings::Settings;

/// One server.
pub struct Server {
    connection: BatchedConnection,
    primary: Arc<Primary>,
}

impl Server {
    /// Connects when the first command is sent.
    pub fn new(primary: Primary, timeout: Duration) -> Self {
        let primary = Arc::new(primary);
        Self { connection: BatchedConnection::new(ConnectionPool::new(Arc::clone(&primary), timeout)), primary }
    }

    /// Finds the server.
    pub const fn primary(&self) -> &Arc<Primary> {
        &self.primary
    }

    /// Runs one command.
    pub async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        command.query_async(&mut self.connection.clone()).await
    }

    /// Runs a script; loads it first if the server does not know it.
    pub async fn run_script(&self, script: &ScriptInvocation<'_>) -> RedisResult<Value> {
        script.invoke_async(&mut self.connection.clone()).await
    }

    /// Runs commands one right after the other; returns one reply for each.
    pub async fn query_pipeline(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        self.connection.pool().send(commands).await
    }

    /// Waits for commands in flight. New ones still work.
    pub async fn drain(&self) {
        self.connection.drain().await;
    }
}

/// Makes one connection, to see whether this server accepts us.
pub async fn probe(
    settings: &Settings,
    client: impl Future<Output = RedisResult<Client>>,
    address: String,
) -> Result<MultiplexedConnection, StoreError> {
    let connect =
        async { client.await?.get_multiplexed_async_connection_with_config(&settings.connection_config()).await };
    timeout(settings.timeout(), connect)
        .await
        .unwrap_or_else(|_| Err(timed_out()))
        .map_err(|source| ConnectError::new(address, source).into())
}
