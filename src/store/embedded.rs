//! The store in this process: one SQLite database in the data directory, durable, for one process at a time.
//!
//! All changes go through one `writer`, which puts whatever waits on disk in one commit; `reader` answers from
//! connections of its own; `sweep` removes what has ended; `checkpoint` moves what was written from the log to the
//! database. SQLite was chosen over faster engines because deleted text leaves its file and a full disk leaves it usable;
//! docs/architecture.md has the figures.

mod checkpoint;
mod clock;
mod error;
pub mod export;
mod file;
mod layout;
mod lockouts;
mod new_database;
mod new_users;
mod open;
mod read_gate;
mod reader;
mod remnants;
mod room_cache;
mod rows;
mod sweep;
mod wal;
mod writer;
mod writes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use rusqlite::params;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::{Event, Position};
use crate::domain::page::Window;
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{TokenHash, UserId};
use crate::store::{
    ActiveRooms, Admission, Admitted, AttemptLimits, AttemptingClient, Change, CodeAttempt, Commit, Committed, Feed,
    NewMessage, RoomState, Sent, Snapshot, Store, StoreError, UserPage,
};

pub use crate::store::embedded::open::OpenError;

use crate::store::embedded::clock::Clock;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::lockouts::Lockouts;
use crate::store::embedded::reader::Readers;
use crate::store::embedded::rows::RoomRow;
use crate::store::embedded::writer::{Outcome, Surroundings, Writer};

/// Announcements a slow feed may lie behind before it is told to read the logs again.
const FEED: usize = 4_096;

/// Rooms, messages and users in one database file of this process.
pub struct EmbeddedStore {
    // Before the writer, so that the writer's connection is the last to close and can put the log away.
    readers: Readers,
    writer: Arc<Writer>,
    announcements: broadcast::Sender<crate::store::FeedItem>,
    lockouts: Lockouts,
    /// Wakes the sweeper.
    wake: Arc<Notify>,
    /// Asks for the write-ahead log to be emptied, soon.
    empty_log: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, creating both where missing. Needs a Tokio runtime.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (file, connection) = DatabaseFile::take(directory)?;
        let (file, clock) = (Arc::new(file), Clock::set_now());
        let (announcements, _) = broadcast::channel(FEED);
        let (critical_tasks, gate, log_size) = (CriticalTasks::default(), Arc::default(), Arc::default());
        let written = remnants::WrittenPages::of(&file, &connection)?.map(Arc::new);
        let around = Surroundings {
            file: Arc::clone(&file),
            clock,
            announcements: announcements.clone(),
            gate: Arc::clone(&gate),
            log_size: Arc::clone(&log_size),
            written: written.clone(),
        };
        let writer = Writer::start(connection, around, critical_tasks.clone())
            .map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
        let store = Self {
            writer: Arc::new(writer),
            readers: Readers::of(Arc::clone(&file), clock, gate),
            announcements,
            lockouts: Lockouts::default(),
            wake: Arc::default(),
            empty_log: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            critical_tasks,
        };
        let (writer, empty_log, stop) = (&store.writer, &store.empty_log, &store.stop);
        let sweep = sweep::run(Arc::clone(writer), Arc::clone(&store.wake), Arc::clone(empty_log), stop.clone());
        store.tasks.spawn(store.critical_tasks.clone().task(sweep));
        let (writer, empty_log, stop) = (Arc::clone(writer), Arc::clone(empty_log), stop.clone());
        let checkpoint = checkpoint::run(writer, file, log_size, written, empty_log, stop);
        store.tasks.spawn(store.critical_tasks.clone().task(checkpoint));
        Ok(store)
    }

    /// Ends the store's own tasks. Changes under way are still put on disk; the file is let go of with the last handle.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What of the store works by itself: without it no change is taken any more.
    pub const fn critical_tasks(&self) -> &CriticalTasks {
        &self.critical_tasks
    }

    /// Reads from `room`, if it is alive, at one instant.
    async fn read_room<T, W>(&self, room: RoomId, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&rusqlite::Connection, RoomRow) -> Outcome<T> + Send + 'static,
    {
        self.readers
            .read(move |connection, now| match rows::room(connection, room, now)? {
                Some(room) => work(connection, room),
                None => Ok(Err(StoreError::NotFound)),
            })
            .await
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        let (code, wake) = (code.clone(), Arc::clone(&self.wake));
        self.writer
            .write(move |work| {
                let room = Room { id, code, created_at: work.now, expires_at: work.now.plus(ttl) };
                // Here, not behind the await: the caller may have stopped waiting by then.
                wake.notify_one();
                writes::create_room(work, room)
            })
            .await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.read_room(room, move |connection, room| {
            let messages = match window {
                Some(window) => rows::messages(connection, &room, window.range(room.state.message_count))?,
                None => Vec::new(),
            };
            Ok(Ok(Snapshot { state: room.state, messages }))
        })
        .await
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.read_room(room, move |connection, room| {
            let total = room.state.user_count;
            let chatters = rows::chatters(connection, &room, window.range(total))?;
            Ok(Ok(UserPage { users: chatters, total }))
        })
        .await
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.readers
            .read(move |connection, now| {
                let mut rooms = rows::rooms(connection, after, limit.saturating_add(1), now)?;
                let more = rooms.len() > limit as usize;
                rooms.truncate(limit as usize);
                let total = connection
                    .prepare_cached("SELECT count(*) FROM room WHERE expires_at > ?1")?
                    .query_row(params![now.as_millis()], |row| row.get(0))?;
                Ok(Ok(ActiveRooms { rooms, more, total }))
            })
            .await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.writer.write(move |work| writes::authenticate(work, admission)).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        let user = user.clone();
        self.writer.write(move |work| writes::forget_new_user(work, &user, token)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let replaces_text = !matches!(commit.change, Change::Send { .. });
        let empty_log = Arc::clone(&self.empty_log);
        self.writer
            .write(move |work| {
                // Here, not behind the await: text is removed from disk also when the caller has stopped waiting. The
                // request to empty the log waits in line behind this transaction.
                if replaces_text {
                    empty_log.notify_one();
                }
                writes::commit(work, commit)
            })
            .await
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        self.writer.write(move |work| writes::send(work, admission, message)).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read_room(room, move |connection, room| {
            let is_ours = match after.seq.0 {
                0 => after == Position::START,
                // Cursors come from outside, and the tables hold no number beyond 63 bits.
                _ if after.seq > room.state.head.seq => false,
                _ => rows::mark(connection, &room, after.seq)? == Some(after.tag),
            };
            if !is_ours {
                return Ok(Err(StoreError::ForeignPosition));
            }
            rows::events(connection, &room, after.seq.next(), limit).map(Ok)
        })
        .await
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.announcements)
    }

    /// Every announcement of this process reaches every feed, watched or not.
    fn subscribe(&self, _room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        future::ready(Ok(())).boxed()
    }

    fn unsubscribe(&self, _room: RoomId) {}

    /// There are no other nodes.
    async fn report_viewers(&self, _counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        Ok(vec![0; rooms.len()])
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        let left = self.read_room(room, |_, room| Ok(Ok(room.state.room.remaining(room.state.now)))).await?;
        Ok(self.lockouts.begin_code_attempt(room, left, client, limits))
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        let left = self.read_room(room, |_, room| Ok(Ok(room.state.room.remaining(room.state.now)))).await?;
        self.lockouts.trust_client(room, left, client, counted);
        Ok(())
    }

    /// Takes the whole way of a change, disk included.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.write(writes::ping).await
    }
}
