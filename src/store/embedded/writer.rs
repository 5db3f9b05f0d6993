//! The one thread that writes: it takes all changes that wait, applies them in one transaction, and answers when that
//! transaction is on disk. So many senders share one commit, and whatever is answered survives.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::Event;
use crate::domain::timestamp::Timestamp;
use crate::store::embedded::clock::Clock;
use crate::store::embedded::error::{self, Undone};
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::new_users::Newcomers;
use crate::store::embedded::open::BUSY_TIMEOUT;
use crate::store::embedded::read_gate::ReadGate;
use crate::store::embedded::remnants::WrittenPages;
use crate::store::embedded::room_cache::Rooms;
use crate::store::embedded::wal::{self, Checkpoint, WalSize};
use crate::store::{FeedItem, StoreError};

/// Changes that may wait for the writer before senders wait in line.
const QUEUE: usize = 1_024;

/// Changes in one transaction, at most.
const BATCH: usize = 256;

/// How long the log waits to be emptied for readings of this process, which are short. For others it never waits.
const READINGS_END: Duration = Duration::from_millis(20);

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

/// What a change works with.
pub(super) struct Work<'a> {
    /// Inside the transaction.
    pub(super) connection: &'a Connection,
    pub(super) rooms: &'a mut Rooms,
    pub(super) newcomers: &'a mut Newcomers,
    /// The moment that counts as now for it.
    pub(super) now: Timestamp,
}

/// What a change or a reading comes to. The outer error undoes the whole transaction; the inner one is an answer, and what
/// was written before it stands.
pub(super) type Outcome<T> = rusqlite::Result<Result<T, StoreError>>;

/// The handle of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    thread: Option<JoinHandle<()>>,
}

enum Request {
    Change(Box<dyn Change>),
    Checkpoint(Checkpoint, oneshot::Sender<rusqlite::Result<bool>>),
}

/// What the writing thread has besides its connection.
pub(super) struct Surroundings {
    pub(super) file: Arc<DatabaseFile>,
    pub(super) clock: Clock,
    pub(super) announcements: broadcast::Sender<FeedItem>,
    /// Passed by the readings of this process.
    pub(super) gate: Arc<ReadGate>,
    /// Told after each transaction.
    pub(super) log_size: Arc<WalSize>,
    /// Told after each transaction, if pages can be cleared.
    pub(super) written: Option<Arc<WrittenPages>>,
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(
        connection: Connection,
        around: Surroundings,
        critical_tasks: CriticalTasks,
    ) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || critical_tasks.thread(|| run(connection, &around, waiting)))?;
        Ok(Self { requests, thread: Some(thread) })
    }

    /// Applies `work` with whatever else waits; answers when it is on disk.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Work<'_>) -> Outcome<Written<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let change = Pending { work: Some(work), outcome: None, answer };
        self.requests.send(Request::Change(Box::new(change))).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Copies the rest of the write-ahead log, and restarts or empties it, unless another process still reads from it:
    /// whether that was done. Meant for a log most of which has been copied already.
    pub(super) async fn finish_log(&self, how: Checkpoint) -> Result<bool, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Checkpoint(how, answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?.map_err(error::from_sqlite)
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
    fn apply(&mut self, to: &mut Work<'_>) -> rusqlite::Result<()>;
    fn settle(self: Box<Self>, durable: Result<(), &Undone>) -> Option<Event>;
}

struct Pending<T, W> {
    work: Option<W>,
    outcome: Option<Result<Written<T>, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Change for Pending<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut Work<'_>) -> Outcome<Written<T>> + Send,
{
    fn apply(&mut self, to: &mut Work<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.outcome = Some(work(to)?);
        }
        Ok(())
    }

    /// Answers, and gives back the event to announce. Whoever asked may have stopped waiting; the change stands.
    fn settle(self: Box<Self>, durable: Result<(), &Undone>) -> Option<Event> {
        let (answer, announce) = match (durable, self.outcome) {
            (Ok(()), Some(Ok(written))) => (Ok(written.answer), written.announce),
            (Ok(()), Some(Err(error))) => (Err(error), None),
            (Ok(()), None) => (Err(closed()), None),
            (Err(Undone::Panic), None) if self.work.is_none() => (Err(error::panicked()), None),
            (Err(cause), _) => (Err(error::from_batch(cause)), None),
        };
        let _ = self.answer.send(answer);
        announce
    }
}

fn run(connection: Connection, around: &Surroundings, mut waiting: mpsc::Receiver<Request>) {
    wal::count_frames(&connection);
    let mut desk = Desk { connection, around, rooms: Rooms::default(), newcomers: Newcomers::default() };
    let mut requests = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut requests, BATCH) > 0 {
        let mut changes = Vec::with_capacity(requests.len());
        let mut checkpoints = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Change(change) => changes.push(change),
                Request::Checkpoint(how, answer) => checkpoints.push((how, answer)),
            }
        }
        let durable = desk.commit_or_undo(&mut changes);
        if let Err(cause) = &durable {
            tracing::error!(%cause, changes = changes.len(), "the embedded store could not write");
        }
        for change in changes {
            if let Some(event) = change.settle(durable.as_ref().map(|&()| ())) {
                // Nobody may be listening, which is fine: the log has it.
                let _ = around.announcements.send(FeedItem::Event(Arc::new(event)));
            }
        }
        for (how, answer) in checkpoints {
            let _ = answer.send(desk.checkpoint(how));
        }
    }
}

/// What the thread writes with.
struct Desk<'a> {
    connection: Connection,
    around: &'a Surroundings,
    rooms: Rooms,
    newcomers: Newcomers,
}

impl Desk<'_> {
    /// Commits, or leaves everything as it was: a panic undoes the transaction like any error, and the next one goes on.
    fn commit_or_undo(&mut self, changes: &mut [Box<dyn Change>]) -> Result<(), Undone> {
        let committed = catch_unwind(AssertUnwindSafe(|| self.commit(changes)))
            .map_or(Err(Undone::Panic), |committed| committed.map_err(Undone::Database));
        if committed.is_err() {
            self.rooms.forget_all();
            self.newcomers.forget_all();
        }
        committed
    }

    fn commit(&mut self, changes: &mut [Box<dyn Change>]) -> rusqlite::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.around.file.check_in_place()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            let now = self.around.clock.now();
            let (rooms, newcomers) = (&mut self.rooms, &mut self.newcomers);
            change.apply(&mut Work { connection: &transaction, rooms, newcomers, now })?;
        }
        self.rooms.write(&transaction)?;
        transaction.commit()?;
        self.around.log_size.tell();
        if let Some(written) = &self.around.written {
            written.add(self.around.log_size.frames());
        }
        // Once more: what is acknowledged must be where it is found again.
        self.around.file.check_in_place()
    }

    fn checkpoint(&self, how: Checkpoint) -> rusqlite::Result<bool> {
        self.around.file.check_in_place()?;
        let closed = self.around.gate.close(READINGS_END);
        // SQLite would wait for readers as long as for other writers.
        self.connection.busy_timeout(Duration::ZERO)?;
        let finished = wal::checkpoint(&self.connection, how).map(|copied| copied.is_some());
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        drop(closed);
        if let Ok(true) = finished {
            self.around.log_size.restart();
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::event::{EntryTag, Seq};
    use crate::domain::message::MessageText;
    use crate::domain::room::{Room, RoomCode, RoomId};
    use crate::domain::user::{DisplayName, User, UserId};
    use crate::store::embedded::{rows, writes};
    use crate::store::{Commit, RoomLimits};

    fn writer(critical_tasks: CriticalTasks) -> (Writer, TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, connection) = DatabaseFile::take(directory.path()).expect("a database");
        connection.execute_batch("CREATE TABLE word (text TEXT)").expect("a table");
        let (gate, log_size) = Default::default();
        let (clock, announcements) = (Clock::set_now(), broadcast::channel(1).0);
        let around = Surroundings { file: Arc::new(file), clock, announcements, gate, log_size, written: None };
        let writer = Writer::start(connection, around, critical_tasks).expect("a thread");
        (writer, directory)
    }

    fn add(connection: &Connection) -> rusqlite::Result<usize> {
        connection.execute("INSERT INTO word VALUES ('x')", [])
    }

    async fn words(writer: &Writer) -> u64 {
        let count = |work: &mut Work<'_>| {
            work.connection
                .query_row("SELECT count(*) FROM word", [], |row| row.get(0))
                .map(|n| Ok(Written::quietly(n)))
        };
        writer.write(count).await.expect("an answer")
    }

    #[tokio::test]
    async fn a_change_that_panics_is_undone_and_the_next_ones_are_written() {
        let (writer, _directory) = writer(CriticalTasks::default());
        let panicking = writer.write(|work: &mut Work<'_>| -> Outcome<Written<()>> {
            add(work.connection)?;
            panic!("in a change")
        });
        assert!(matches!(panicking.await, Err(StoreError::Corrupt(_))));
        assert_eq!(words(&writer).await, 0);
        writer
            .write(|work: &mut Work<'_>| add(work.connection).map(|_| Ok(Written::quietly(()))))
            .await
            .expect("an answer");
        assert_eq!(words(&writer).await, 1);
    }

    #[tokio::test]
    async fn what_was_undone_is_not_remembered() {
        let (writer, _directory) = writer(CriticalTasks::default());
        let (id, ends) = (RoomId::random(), Timestamp::from_millis(4_000_000_000_000));
        let room = Room { id, code: RoomCode::random(6), created_at: Timestamp::from_millis(0), expires_at: ends };
        writer.write(move |work| writes::create_room(work, room)).await.expect("a room");
        let send = || {
            let author = User { id: UserId::random(), display_name: DisplayName::anonymous() };
            let text = MessageText::from_stored("hello".into());
            let limits = RoomLimits { messages: 9, events: 99, edits: 9 };
            let change = crate::store::Change::Send { author, text, client_message_id: None, limits };
            Commit { room: id, tag: EntryTag::random(), change }
        };
        for sent in 1..=3 {
            let (undone, kept) = (send(), send());
            let panicking = writer.write(move |work: &mut Work<'_>| -> Outcome<Written<()>> {
                let _ = writes::commit(work, undone)?;
                panic!("after a commit")
            });
            assert!(matches!(panicking.await, Err(StoreError::Corrupt(_))));
            let committed = writer.write(move |work| writes::commit(work, kept)).await.expect("a commit");
            assert_eq!(committed.into_event().position.seq, Seq(sent));
            let written = writer.write(move |work: &mut Work<'_>| {
                let room = rows::room(work.connection, id, work.now)?.expect("the room").state;
                Ok(Ok(Written::quietly((room.head.seq.0, room.message_count, room.user_count))))
            });
            assert_eq!(written.await.expect("a reading"), (sent, sent, sent));
        }
    }

    /// Nothing of ours does this; it stands for what panics outside of any change.
    struct Poison;

    impl Change for Poison {
        fn apply(&mut self, _: &mut Work<'_>) -> rusqlite::Result<()> {
            Ok(())
        }

        fn settle(self: Box<Self>, _: Result<(), &Undone>) -> Option<Event> {
            panic!("outside of a change")
        }
    }

    #[tokio::test]
    async fn a_writer_that_panics_itself_is_noticed() {
        let critical_tasks = CriticalTasks::default();
        let (writer, _directory) = writer(critical_tasks.clone());
        assert!(writer.requests.send(Request::Change(Box::new(Poison))).await.is_ok());
        critical_tasks.failed().await;
    }
}
