//! The writer: one thread that applies all waiting writes in one transaction and answers when that is on disk. So many
//! clients share one disk sync, and every acknowledged write survives a crash.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::RwLock;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::critical_tasks::CriticalTasks;
use crate::domain::timestamp::Timestamp;
use crate::store::embedded::clock::Clock;
use crate::store::embedded::entries::CommittedChange;
use crate::store::embedded::error;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::open::{BUSY_TIMEOUT, OpenError};
use crate::store::embedded::recent_messages::RecentMessages;
use crate::store::embedded::remnants::WrittenPages;
use crate::store::embedded::room_cache::RoomCache;
use crate::store::embedded::wal::{self, CheckpointMode, WalSize};
use crate::store::{FeedItem, StoreError};

/// How many items a feed may lag behind before it gets a resync instead.
const FEED_CAPACITY: usize = 4_096;

/// Requests in the writer's queue; more wait to enter it.
const QUEUE_CAPACITY: usize = 1_024;

/// Maximum number of writes in one transaction.
const MAX_BATCH: usize = 256;

/// How long a checkpoint waits for the reads of this process, which are short. It never waits for other processes.
const READ_TIMEOUT: Duration = Duration::from_millis(20);

/// The context of a write operation.
pub(super) struct WriteContext<'a> {
    /// The connection, inside the transaction.
    pub(super) connection: &'a Connection,
    pub(super) rooms: &'a mut RoomCache,
    /// The changes to publish once the transaction is on disk.
    pub(super) changes: &'a mut Vec<CommittedChange>,
    pub(super) shared: &'a Shared,
    /// The current time for this write.
    pub(super) now: Timestamp,
}

/// The handle of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    thread: Option<JoinHandle<()>>,
}

enum Request {
    Write(Box<dyn QueuedWrite>),
    Checkpoint(CheckpointMode, oneshot::Sender<rusqlite::Result<bool>>),
}

/// What the writer, the readers and the background tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: DatabaseFile,
    pub(super) clock: Clock,
    pub(super) feed: broadcast::Sender<FeedItem>,
    /// Locked for reading by every read in this process, and for writing by the writer while it restarts the write-ahead log.
    pub(super) gate: RwLock<()>,
    /// Updated after each transaction.
    pub(super) log_size: WalSize,
    /// Updated after each transaction; `None` if pages cannot be cleared.
    pub(super) written_pages: Option<WrittenPages>,
    pub(super) recent_messages: RecentMessages,
    /// Signals the sweeper that a new room may be the first to expire.
    pub(super) wake_sweeper: Notify,
    /// Requests that the write-ahead log be truncated soon.
    pub(super) truncate_log: Notify,
}

impl Shared {
    /// The shared state for this file. `connection` is the writer's.
    pub(super) fn new(file: DatabaseFile, connection: &Connection) -> Result<Self, OpenError> {
        Ok(Self {
            written_pages: WrittenPages::new(&file, connection)?,
            file,
            clock: Clock::start(),
            feed: broadcast::channel(FEED_CAPACITY).0,
            gate: RwLock::default(),
            log_size: WalSize::default(),
            recent_messages: RecentMessages::new(),
            wake_sweeper: Notify::new(),
            truncate_log: Notify::new(),
        })
    }
}

impl Writer {
    /// Starts the thread with `connection`.
    pub(super) fn start(
        connection: Connection,
        shared: Arc<Shared>,
        critical_tasks: CriticalTasks,
    ) -> std::io::Result<Self> {
        let (requests, queue) = mpsc::channel(QUEUE_CAPACITY);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || critical_tasks.thread(|| run(connection, &shared, queue)))?;
        Ok(Self { requests, thread: Some(thread) })
    }

    /// Applies `work` together with all other waiting writes. Returns when it is on disk. A [failure](StoreError::is_failure) of
    /// `work` rolls back all of them. Any other error is a regular answer, and what was written before it is kept.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut WriteContext<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let write = PendingWrite { work: Some(work), outcome: None, reply };
        self.requests.send(Request::Write(Box::new(write))).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    /// Copies the rest of the write-ahead log and restarts or truncates it. Returns `false` if another process still reads
    /// from the log. Meant for a log that has nearly been copied.
    pub(super) async fn finish_checkpoint(&self, mode: CheckpointMode) -> Result<bool, StoreError> {
        let (reply, receiver) = oneshot::channel();
        self.requests.send(Request::Checkpoint(mode, reply)).await.map_err(|_| closed())?;
        Ok(receiver.await.map_err(|_| closed())??)
    }
}

/// Completes the queued writes, then closes the database.
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

/// A write in the queue, independent of the type of its result.
trait QueuedWrite: Send {
    /// Applies the write. An error rolls back the transaction.
    fn apply(&mut self, ctx: &mut WriteContext<'_>) -> Result<(), StoreError>;

    /// Replies to the caller, given the outcome of the transaction.
    fn finish(self: Box<Self>, committed: Result<(), &StoreError>);
}

struct PendingWrite<T, W> {
    work: Option<W>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> QueuedWrite for PendingWrite<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut WriteContext<'_>) -> Result<T, StoreError> + Send,
{
    fn apply(&mut self, ctx: &mut WriteContext<'_>) -> Result<(), StoreError> {
        self.outcome = self.work.take().map(|work| work(ctx));
        match &self.outcome {
            Some(Err(failure)) if failure.is_failure() => Err(error::copy(failure)),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), &StoreError>) {
        let reply = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(failure), outcome) if outcome.is_some() || self.work.is_some() => Err(error::copy(failure)),
            // It began but has no outcome.
            _ => Err(error::panicked()),
        };
        // The caller may have stopped waiting; the write stands.
        let _ = self.reply.send(reply);
    }
}

fn run(connection: Connection, shared: &Shared, mut queue: mpsc::Receiver<Request>) {
    wal::count_frames(&connection);
    let mut state = WriterState { connection, shared, rooms: RoomCache::default() };
    let mut requests = Vec::with_capacity(MAX_BATCH);
    while queue.blocking_recv_many(&mut requests, MAX_BATCH) > 0 {
        let mut writes = Vec::with_capacity(requests.len());
        let mut checkpoints = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Write(write) => writes.push(write),
                Request::Checkpoint(mode, reply) => checkpoints.push((mode, reply)),
            }
        }
        let committed = state.commit_or_roll_back(&mut writes);
        if let Err(error) = &committed {
            let error = error as &dyn Error;
            tracing::error!(error, writes = writes.len(), "the embedded store could not write");
        }
        // Before any reply, so that a client reads what it wrote.
        shared.recent_messages.apply(committed.as_deref().unwrap_or_default());
        for write in writes {
            write.finish(committed.as_ref().map(drop));
        }
        for item in committed.unwrap_or_default().into_iter().filter_map(CommittedChange::into_feed_item) {
            // An error means that no feed is open. That is fine: the log has the event.
            let _ = shared.feed.send(item);
        }
        for (mode, reply) in checkpoints {
            let _ = reply.send(state.checkpoint(mode));
        }
    }
}

/// The state of the writer thread.
struct WriterState<'a> {
    connection: Connection,
    shared: &'a Shared,
    rooms: RoomCache,
}

impl WriterState<'_> {
    /// Commits all writes or none, and returns their changes. A panic rolls back the transaction like a failure; later
    /// transactions are not affected.
    fn commit_or_roll_back(&mut self, writes: &mut [Box<dyn QueuedWrite>]) -> Result<Vec<CommittedChange>, StoreError> {
        let panicked = |_| Err(StoreError::Unavailable("one of the writes in the batch panicked".into()));
        let committed = catch_unwind(AssertUnwindSafe(|| self.commit(writes))).unwrap_or_else(panicked);
        if committed.is_err() {
            self.rooms.clear();
            self.shared.recent_messages.clear();
        }
        committed
    }

    fn commit(&mut self, writes: &mut [Box<dyn QueuedWrite>]) -> Result<Vec<CommittedChange>, StoreError> {
        let mut changes = Vec::new();
        if writes.is_empty() {
            return Ok(changes);
        }
        self.shared.file.check_not_moved()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for write in writes {
            write.apply(&mut WriteContext {
                connection: &transaction,
                rooms: &mut self.rooms,
                changes: &mut changes,
                shared: self.shared,
                now: self.shared.clock.now(),
            })?;
        }
        transaction.commit()?;
        self.shared.log_size.update();
        let frames = self.shared.log_size.frames();
        if let Some(pages) = &self.shared.written_pages
            && frames > 0
        {
            pages.add_frames(frames);
        }
        if changes.iter().any(CommittedChange::removes_text) {
            // Replaced text must leave the write-ahead log.
            self.shared.truncate_log.notify_one();
        }
        // Checked again: an acknowledged write must be in the file that the next start opens.
        self.shared.file.check_not_moved()?;
        Ok(changes)
    }

    fn checkpoint(&self, mode: CheckpointMode) -> rusqlite::Result<bool> {
        self.shared.file.check_not_moved()?;
        let Some(closed) = self.shared.gate.try_write_for(READ_TIMEOUT) else { return Ok(false) };
        // The busy timeout, meant for other writers, would also make SQLite wait for readers.
        self.connection.busy_timeout(Duration::ZERO)?;
        let finished = wal::checkpoint(&self.connection, mode).map(|progress| progress.is_some());
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        drop(closed);
        if let Ok(true) = finished {
            self.shared.log_size.reset();
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::message::MessageText;
    use crate::domain::position::{EntryTag, Seq};
    use crate::domain::room::{RoomCode, RoomId, RoomSecret, RoomSettings};
    use crate::domain::token::Token;
    use crate::domain::user::{DisplayName, User, UserId};
    use crate::store::embedded::{rooms, writes};
    use crate::store::{Actor, Change, Commit, NewRoom, RoomLimits};

    fn writer(critical_tasks: CriticalTasks) -> (Writer, TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, connection) = DatabaseFile::open_or_create(directory.path()).expect("a database");
        connection.execute_batch("CREATE TABLE word (text TEXT)").expect("a table");
        let shared = Shared::new(file, &connection).expect("a database");
        let writer = Writer::start(connection, Arc::new(shared), critical_tasks).expect("a thread");
        (writer, directory)
    }

    fn add(connection: &Connection) -> rusqlite::Result<usize> {
        connection.execute("INSERT INTO word VALUES ('x')", [])
    }

    async fn words(writer: &Writer) -> u64 {
        let count = "SELECT count(*) FROM word";
        writer.write(|ctx| Ok(ctx.connection.query_row(count, [], |row| row.get(0))?)).await.expect("an answer")
    }

    #[tokio::test]
    async fn a_panicking_write_is_rolled_back_and_later_writes_succeed() {
        let (writer, _directory) = writer(CriticalTasks::default());
        let panicking = writer.write(|ctx| -> Result<(), StoreError> {
            add(ctx.connection)?;
            panic!("in a write")
        });
        assert!(matches!(panicking.await, Err(StoreError::Corrupt(_))));
        assert_eq!(words(&writer).await, 0);
        writer.write(|ctx| Ok(add(ctx.connection)?)).await.expect("an answer");
        assert_eq!(words(&writer).await, 1);
    }

    #[tokio::test]
    async fn the_cache_does_not_keep_what_was_rolled_back() {
        let (writer, _directory) = writer(CriticalTasks::default());
        let id = RoomId::random();
        let room = NewRoom {
            id,
            code: RoomCode::random(6),
            ttl: Duration::from_secs(3_600),
            owner_token: Token::random().hash(),
            secret: RoomSecret::random(),
            settings: RoomSettings::default(),
        };
        writer.write(move |ctx| writes::create_room(ctx, room)).await.expect("a room");
        let send = || {
            let user = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
            let author = Actor { user, is_owner: false, address: None };
            let text = MessageText::from_stored("hello".into());
            let limits = RoomLimits { messages: 9, events: 99, edits: 9 };
            let change = Change::Send { author, text, client_message_id: None, reply_to: None, limits };
            Commit { room: id, tag: EntryTag::random(), change }
        };
        for sent in 1..=3 {
            let (rolled_back, kept) = (send(), send());
            let panicking = writer.write(move |ctx| -> Result<(), StoreError> {
                writes::commit(ctx, rolled_back)?;
                panic!("after a commit")
            });
            assert!(matches!(panicking.await, Err(StoreError::Corrupt(_))));
            let committed = writer.write(move |ctx| writes::commit(ctx, kept)).await.expect("a commit");
            assert_eq!(committed.into_event().position.seq, Seq(sent));
            let written = writer.write(move |ctx| {
                let room = rooms::find(ctx.connection, id, ctx.now)?.expect("the room").state;
                Ok((room.head.seq.0, room.message_count, room.user_count))
            });
            assert_eq!(written.await.expect("a reading"), (sent, sent, sent));
        }
    }

    /// Stands for a panic of the writer itself, outside of any write operation.
    struct Poison;

    impl QueuedWrite for Poison {
        fn apply(&mut self, _: &mut WriteContext<'_>) -> Result<(), StoreError> {
            Ok(())
        }

        fn finish(self: Box<Self>, _: Result<(), &StoreError>) {
            panic!("in the writer")
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_writer_itself_is_reported() {
        let critical_tasks = CriticalTasks::default();
        let (writer, _directory) = writer(critical_tasks.clone());
        assert!(writer.requests.send(Request::Write(Box::new(Poison))).await.is_ok());
        critical_tasks.failed().await;
    }
}
