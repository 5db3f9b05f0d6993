//! The one thread that writes: it takes all changes that wait, applies them in one transaction, and answers when that
//! transaction is on disk. So many senders share one commit, and whatever is answered survives.

use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::domain::event::Event;
use crate::domain::timestamp::Timestamp;
use crate::store::embedded::clock::Clock;
use crate::store::embedded::failure;
use crate::store::embedded::file::DatabaseFile;
use crate::store::{Announcement, StoreError};

/// Changes that may wait for the writer before senders wait in line.
const QUEUE: usize = 1_024;

/// Changes in one transaction, at most.
const BATCH: usize = 256;

/// What a change gives back: the answer, and the event to announce once it is on disk.
pub(super) struct Written<T> {
    pub(super) answer: T,
    pub(super) announce: Option<Event>,
}

impl<T> Written<T> {
    pub(super) const fn quietly(answer: T) -> Self {
        Self { answer, announce: None }
    }
}

/// What a change sees: the connection inside the transaction, and the moment that counts as now for it. The outer error
/// undoes the whole transaction, the inner one is an answer and must come before the first write.
pub(super) type Outcome<T> = rusqlite::Result<Result<T, StoreError>>;

/// The handle of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    thread: Option<JoinHandle<()>>,
}

enum Request {
    Change(Box<dyn Change>),
    Checkpoint(oneshot::Sender<rusqlite::Result<()>>),
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(
        connection: Connection,
        file: Arc<DatabaseFile>,
        clock: Clock,
        announcements: broadcast::Sender<Announcement>,
    ) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, &file, clock, &announcements, waiting))?;
        Ok(Self { requests, thread: Some(thread) })
    }

    /// Applies `work` with whatever else waits; answers when it is on disk.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Outcome<Written<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let change = Pending { work: Some(work), outcome: None, answer };
        self.requests.send(Request::Change(Box::new(change))).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Copies the write-ahead log into the database and empties it, so that nothing deleted lingers there.
    pub(super) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Checkpoint(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?.map_err(failure::from_sqlite)
    }
}

/// Lets what waits be written, then closes the database.
impl Drop for Writer {
    fn drop(&mut self) {
        let (unused, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.requests, unused));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the embedded store panicked");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the embedded store is closed".into())
}

/// A change in the queue, whatever it answers with.
trait Change: Send {
    fn apply(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<()>;
    fn settle(self: Box<Self>, durable: Result<(), &Arc<rusqlite::Error>>) -> Option<Event>;
}

struct Pending<T, W> {
    work: Option<W>,
    outcome: Option<Result<Written<T>, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Change for Pending<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Connection, Timestamp) -> Outcome<Written<T>> + Send,
{
    fn apply(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.outcome = Some(work(connection, now)?);
        }
        Ok(())
    }

    /// Answers, and gives back the event to announce. Whoever asked may have stopped waiting; the change stands.
    fn settle(self: Box<Self>, durable: Result<(), &Arc<rusqlite::Error>>) -> Option<Event> {
        let (answer, announce) = match (durable, self.outcome) {
            (Ok(()), Some(Ok(written))) => (Ok(written.answer), written.announce),
            (Ok(()), Some(Err(error))) => (Err(error), None),
            (Ok(()), None) => (Err(closed()), None),
            (Err(cause), _) => (Err(failure::from_batch(cause)), None),
        };
        let _ = self.answer.send(answer);
        announce
    }
}

fn run(
    mut connection: Connection,
    file: &DatabaseFile,
    clock: Clock,
    announcements: &broadcast::Sender<Announcement>,
    mut waiting: mpsc::Receiver<Request>,
) {
    let mut requests = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut requests, BATCH) > 0 {
        let mut changes = Vec::with_capacity(requests.len());
        let mut checkpoints = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Change(change) => changes.push(change),
                Request::Checkpoint(answer) => checkpoints.push(answer),
            }
        }
        let durable = commit(&mut connection, file, clock, &mut changes).map_err(Arc::new);
        if let Err(cause) = &durable {
            tracing::error!(%cause, changes = changes.len(), "the embedded store could not write");
        }
        for change in changes {
            if let Some(event) = change.settle(durable.as_ref().map(|&()| ())) {
                // Nobody may be listening, which is fine: the log has it.
                let _ = announcements.send(Announcement::Event(Arc::new(event)));
            }
        }
        for answer in checkpoints {
            let _ = answer.send(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
        }
    }
}

fn commit(
    connection: &mut Connection,
    file: &DatabaseFile,
    clock: Clock,
    changes: &mut [Box<dyn Change>],
) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    file.check_in_place()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in changes {
        change.apply(&transaction, clock.now())?;
    }
    transaction.commit()?;
    // Once more: what is acknowledged must be where it is found again.
    file.check_in_place()
}
