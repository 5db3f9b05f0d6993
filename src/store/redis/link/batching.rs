//! Commands to one server, batched: those of concurrent callers go to it in one pipeline.
//!
//! Most of this process's cost of a command is the write and the network round trip, which cost the same for many commands. So
//! the first caller yields to all tasks that are ready before the batch is sent. A caller that is alone does not wait.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use crate::store::redis::link::pool::ConnectionPool;
use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::script::ScriptCall;

/// Maximum number of callers per pipeline: all of them get their replies when the last command has its own.
const MAX_BATCH: usize = 64;

/// One server: a fixed one, or the current primary.
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    pool: ConnectionPool,
    queue: Mutex<Vec<Queued>>,
    tasks: TaskTracker,
}

/// The commands of one caller, which wait to be sent one right after the other.
struct Queued {
    commands: Vec<Cmd>,
    replies: oneshot::Sender<RedisResult<Vec<Value>>>,
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
        Ok(self.query_all(vec![command.clone()]).await?.pop().unwrap_or(Value::Nil))
    }

    /// Runs commands one right after the other, in a batch with those of other callers. Fails if one of them does.
    pub async fn query_all(&self, commands: Vec<Cmd>) -> RedisResult<Vec<Value>> {
        self.send(commands).await?.into_iter().map(Value::extract_error).collect()
    }

    /// Runs a script; loads it first if the server does not know it.
    pub async fn run_script(&self, call: &ScriptCall<'_>) -> RedisResult<Value> {
        let reply = self.query(&call.command).await;
        let Some(load) = reply.as_ref().err().and_then(|error| call.load_after(error)) else { return reply };
        self.query(&load).await?;
        self.query(&call.command).await
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

    /// Sends commands in the next batch. If the caller gives up before that, they are not sent.
    async fn send(&self, commands: Vec<Cmd>) -> RedisResult<Vec<Value>> {
        let (replies, receiver) = oneshot::channel();
        let is_first = {
            let mut queue = self.shared.queue.lock();
            queue.push(Queued { commands, replies });
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
        let mut queued = queued.into_iter().filter(|queued| !queued.replies.is_closed());
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

    async fn send_batch(&self, batch: Vec<Queued>) {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        let callers: Vec<_> = batch
            .into_iter()
            .map(|Queued { commands, replies }| {
                let count = commands.len();
                commands.into_iter().for_each(|command| {
                    pipeline.add_command(command);
                });
                (count, replies)
            })
            .collect();
        let mut values = self.pool.send(&pipeline).await.map(Vec::into_iter);
        for (count, replies) in callers {
            let result = match &mut values {
                Ok(values) => Ok(values.by_ref().take(count).collect()),
                Err(error) => Err(error.clone()),
            };
            // A caller that has given up meanwhile needs no reply.
            let _ = replies.send(result);
        }
    }
}
