//! The embedded store: one durable SQLite database in the data directory, used by one process at a time.
//!
//! One `writer` thread commits all waiting `writes` together. `reader` has its own connections. `sweep` removes expired
//! data, and `checkpoint` copies the write-ahead log into the database. SQLite was chosen over faster engines because it
//! removes deleted text from its file and stays usable on a full disk; docs/architecture.md has the figures.

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
    FeedItem, NewMessage, RoomState, Sent, Snapshot, Store, StoreError, UserPage,
};

pub use crate::store::embedded::open::OpenError;

use crate::store::embedded::clock::Clock;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::lockouts::Lockouts;
use crate::store::embedded::reader::ReaderPool;
use crate::store::embedded::rows::RoomRow;
use crate::store::embedded::writer::{Outcome, Shared, Writer};

/// How many items a feed may lag behind before it gets a resync instead.
const FEED_CAPACITY: usize = 4_096;

/// The embedded store.
pub struct EmbeddedStore {
    // Declared before the writer, so that the writer's connection is the last to close, and removes the log.
    readers: ReaderPool,
    writer: Arc<Writer>,
    feed: broadcast::Sender<FeedItem>,
    lockouts: Lockouts,
    wake_sweeper: Arc<Notify>,
    /// Requests that the write-ahead log be truncated soon.
    truncate_log: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, and creates both if missing. Must be called in a Tokio runtime.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (file, connection) = DatabaseFile::open_or_create(directory)?;
        let (file, clock) = (Arc::new(file), Clock::start());
        let (feed, _) = broadcast::channel(FEED_CAPACITY);
        let (critical_tasks, gate, log_size) = (CriticalTasks::default(), Arc::default(), Arc::default());
        let written_pages = remnants::WrittenPages::new(&file, &connection)?.map(Arc::new);
        let shared = Shared {
            file: Arc::clone(&file),
            clock,
            feed: feed.clone(),
            gate: Arc::clone(&gate),
            log_size: Arc::clone(&log_size),
            written_pages: written_pages.clone(),
        };
        let writer = Writer::start(connection, shared, critical_tasks.clone())
            .map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
        let store = Self {
            writer: Arc::new(writer),
            readers: ReaderPool::new(Arc::clone(&file), clock, gate),
            feed,
            lockouts: Lockouts::default(),
            wake_sweeper: Arc::default(),
            truncate_log: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            critical_tasks,
        };
        let (writer, truncate_log, stop) = (&store.writer, &store.truncate_log, &store.stop);
        let sweep =
            sweep::run(Arc::clone(writer), Arc::clone(&store.wake_sweeper), Arc::clone(truncate_log), stop.clone());
        store.tasks.spawn(store.critical_tasks.clone().task(sweep));
        let (writer, truncate_log, stop) = (Arc::clone(writer), Arc::clone(truncate_log), stop.clone());
        let checkpoint = checkpoint::run(writer, file, log_size, written_pages, truncate_log, stop);
        store.tasks.spawn(store.critical_tasks.clone().task(checkpoint));
        Ok(store)
    }

    /// Stops the store's background tasks. Writes in progress still complete. The file is unlocked when the last handle is
    /// dropped.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The store's background tasks. If one of them fails, the store accepts no more writes.
    pub const fn critical_tasks(&self) -> &CriticalTasks {
        &self.critical_tasks
    }

    /// Reads from `room` at one instant, if it is alive.
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
        let (code, wake_sweeper) = (code.clone(), Arc::clone(&self.wake_sweeper));
        self.writer
            .write(move |ctx| {
                let room = Room { id, code, created_at: ctx.now, expires_at: ctx.now.plus(ttl) };
                // Not after the await: the caller may stop waiting before that.
                wake_sweeper.notify_one();
                writes::create_room(ctx, room)
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
            let users = rows::users(connection, &room, window.range(total))?;
            Ok(Ok(UserPage { users, total }))
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
        self.writer.write(move |ctx| writes::authenticate(ctx, admission)).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        let user = user.clone();
        self.writer.write(move |ctx| writes::forget_new_user(ctx, &user, token)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let replaces_text = !matches!(commit.change, Change::Send { .. });
        let truncate_log = Arc::clone(&self.truncate_log);
        self.writer
            .write(move |ctx| {
                // Not after the await: text must leave the disk even if the caller stops waiting. The checkpoint is queued
                // after this transaction.
                if replaces_text {
                    truncate_log.notify_one();
                }
                writes::commit(ctx, commit)
            })
            .await
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        self.writer.write(move |ctx| writes::send(ctx, admission, message)).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read_room(room, move |connection, room| {
            let is_in_log = match after.seq.0 {
                0 => after == Position::START,
                // The position comes from a client, and SQLite integers have 63 bits.
                _ if after.seq > room.state.head.seq => false,
                _ => rows::entry_tag(connection, &room, after.seq)? == Some(after.tag),
            };
            if !is_in_log {
                return Ok(Err(StoreError::ForeignPosition));
            }
            rows::events(connection, &room, after.seq.next(), limit).map(Ok)
        })
        .await
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.feed)
    }

    /// Does nothing, because every feed gets the events of all rooms.
    fn subscribe(&self, _room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        future::ready(Ok(())).boxed()
    }

    fn unsubscribe(&self, _room: RoomId) {}

    /// Does nothing, because there are no other nodes.
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

    /// Goes through the writer to the disk, like any write.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.write(writes::ping).await
    }
}
