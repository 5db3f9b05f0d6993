//! Commands to one server, batched: those of concurrent callers go to it in one pipeline.
//!
//! The write and the network round trip are most of a command's cost to us, and cost the same for many commands as for one. So
//! the first caller yields to all tasks that are ready before the batch is sent. A caller that is alone does not wait.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, ScriptInvocation, Value};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use crate::store::redis::link::pool::ConnectionPool;
use crate::store::redis::link::primary::Primary;

/// Commands per pipeline, at most: all of them are answered when the last one is.
const MAX_BATCH: usize = 64;

/// One server, or whichever is the primary. Clones share one queue of commands.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    pool: ConnectionPool,
    queue: Mutex<Vec<QueuedCommand>>,
    tasks: TaskTracker,
}

/// A command that has not been sent yet.
struct QueuedCommand {
    command: Cmd,
    reply: oneshot::Sender<RedisResult<Value>>,
}

impl Server {
    /// Connects when the first command is sent.
    pub fn new(primary: Primary, timeout: Duration) -> Self {
        let pool = ConnectionPool::new(Arc::new(primary), timeout);
        Self { shared: Arc::new(Shared { pool, queue: Mutex::default(), tasks: TaskTracker::new() }) }
    }

    /// Finds the server.
    pub fn primary(&self) -> &Arc<Primary> {
        self.shared.pool.primary()
    }

    /// Runs one command.
    pub async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        self.send(command).await?.extract_error()
    }

    /// Runs a script; loads it first if the server does not know it.
    pub async fn run_script(&self, script: &ScriptInvocation<'_>) -> RedisResult<Value> {
        script.invoke_async(&mut self.clone()).await
    }

    /// Runs commands one right after the other; returns one reply for each.
    pub async fn query_pipeline(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        self.shared.pool.send(commands).await
    }

    /// A section of its `INFO`.
    pub async fn info(&self, section: &str) -> RedisResult<String> {
        Ok(redis::from_redis_value(self.query(redis::cmd("INFO").arg(section)).await?)?)
    }

    /// Waits for commands in flight. New ones still work.
    pub async fn drain(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Sends a command in the next batch. If the caller gives up before that, it is not sent.
    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let (reply, receiver) = oneshot::channel();
        let is_first = {
            let mut queue = self.shared.queue.lock();
            queue.push(QueuedCommand { command: command.clone(), reply });
            queue.len() == 1
        };
        if is_first {
            // In a task of its own: the first caller may give up while the others still wait.
            self.shared.tasks.spawn(Arc::clone(&self.shared).send_queued());
        }
        receiver.await.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::BrokenPipe).into()))
    }
}

impl Shared {
    async fn send_queued(self: Arc<Self>) {
        yield_now().await;
        let queued = mem::take(&mut *self.queue.lock());
        let mut queued = queued.into_iter().filter(|queued| !queued.reply.is_closed());
        let mut batches = Vec::new();
        loop {
            let batch: Vec<_> = queued.by_ref().take(MAX_BATCH).collect();
            if batch.is_empty() {
                break;
            }
            batches.push(self.send_batch(batch));
        }
        join_all(batches).await;
    }

    async fn send_batch(&self, batch: Vec<QueuedCommand>) {
        let mut commands = Pipeline::with_capacity(batch.len());
        let replies: Vec<_> = batch
            .into_iter()
            .map(|QueuedCommand { command, reply }| {
                commands.add_command(command);
                reply
            })
            .collect();
        match self.pool.send(&commands).await {
            // A caller that has given up meanwhile needs no reply.
            Ok(values) => replies.into_iter().zip(values).for_each(|(reply, value)| {
                let _ = reply.send(Ok(value));
            }),
            Err(error) => replies.into_iter().for_each(|reply| {
                let _ = reply.send(Err(error.clone()));
            }),
        }
    }
}

/// Lets the driver run commands here, and scripts, which it may have to load first.
impl ConnectionLike for Server {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.shared.pool.send(commands))
    }

    fn get_db(&self) -> i64 {
        0
    }
}
