//! Commands of many callers, sent in one piece. What a write to the network and the way back cost is most of what a command
//! costs us, and the same for many as for one. So whoever comes first lets all run that are ready to; what they want to say
//! goes out together. Nobody waits who is alone.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

/// Commands in one piece, at most: all of them are answered when the last one is.
const AT_ONCE: usize = 64;

/// Carries commands to Redis; each clone carries its own and those of all others.
pub(in crate::store::redis) struct Gathered<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    carrier: C,
    waiting: Mutex<Vec<Waiting>>,
    tasks: TaskTracker,
}

/// A command that has not been sent yet.
struct Waiting {
    command: Cmd,
    answer: oneshot::Sender<RedisResult<Value>>,
}

/// Sends commands that were gathered, in order; one answer for each.
pub(in crate::store::redis) trait Carrier: Send + Sync + 'static {
    fn carry(&self, commands: &Pipeline) -> impl Future<Output = RedisResult<Vec<Value>>> + Send;
}

impl<C> Clone for Gathered<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Carrier> Gathered<C> {
    pub fn by(carrier: C) -> Self {
        Self { shared: Arc::new(Shared { carrier, waiting: Mutex::default(), tasks: TaskTracker::new() }) }
    }

    /// What carries them, for those that are not to be mixed with others.
    pub fn carrier(&self) -> &C {
        &self.shared.carrier
    }

    /// Waits for what is under way.
    pub async fn end(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Sends a command together with those of others. One that its caller gives up before it is sent is not sent.
    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.shared.lock();
            waiting.push(Waiting { command: command.clone(), answer });
            waiting.len() == 1
        };
        if is_first {
            // A task of its own, as the first of them may be given up while the others are not.
            self.shared.tasks.spawn(Arc::clone(&self.shared).carry());
        }
        answered.await.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::BrokenPipe).into()))
    }
}

impl<C: Carrier> Shared<C> {
    async fn carry(self: Arc<Self>) {
        yield_now().await;
        let waiting = mem::take(&mut *self.lock());
        let mut waiting = waiting.into_iter().filter(|it| !it.answer.is_closed());
        let mut pieces = Vec::new();
        loop {
            let piece: Vec<_> = waiting.by_ref().take(AT_ONCE).collect();
            if piece.is_empty() {
                break;
            }
            pieces.push(self.carry_together(piece));
        }
        join_all(pieces).await;
    }

    async fn carry_together(&self, these: Vec<Waiting>) {
        let mut commands = Pipeline::with_capacity(these.len());
        let answers: Vec<_> = these
            .into_iter()
            .map(|Waiting { command, answer }| {
                commands.add_command(command);
                answer
            })
            .collect();
        match self.carrier.carry(&commands).await {
            // Whoever has given up by now needs no answer.
            Ok(values) => answers.into_iter().zip(values).for_each(|(answer, value)| {
                let _ = answer.send(Ok(value));
            }),
            Err(error) => answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(error.clone()));
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock()
    }
}

/// So that commands can be run here, and scripts too, which may have to be told to Redis first.
impl<C: Carrier> ConnectionLike for Gathered<C> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.shared.carrier.carry(commands))
    }

    fn get_db(&self) -> i64 {
        0
    }
}
