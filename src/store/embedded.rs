//! The embedded store: one durable SQLite database in the data directory, used by one process at a time.
//!
//! One `writer` thread commits all waiting `writes` together. `reader_pool` has connections of its own, with which `history`
//! and `rooms` read. `sweep` removes expired data, and `checkpoint` copies the write-ahead log into the database.
//! docs/decisions/0002-embedded-store.md explains why SQLite was chosen over faster engines.

mod checkpoint;
mod clock;
mod error;
pub mod export;
mod file;
mod history;
mod layout;
mod lockouts;
mod open;
mod reader_pool;
mod recent_messages;
mod remnants;
mod room_cache;
mod rooms;
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
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::Event;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::presence::Typing;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::UserId;
use crate::store::{
    ActiveRooms, Actor, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, CodeAttempt, Commit, Committed,
    FailureCounters, FailureOutcome, FailureRecord, Feed, LockoutPolicy, Member, NewMessage, NewRoom, PresenceReport,
    PresentUsers, Reacted, Reaction, RoomState, Sent, Snapshot, Store, StoreError, Subject, UserPage,
};

pub use crate::store::embedded::open::OpenError;

use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::lockouts::Lockouts;
use crate::store::embedded::reader_pool::ReaderPool;
use crate::store::embedded::rooms::RoomRow;
use crate::store::embedded::writer::{Shared, Writer};

/// The embedded store.
pub struct EmbeddedStore {
    // Declared before the writer, so that the writer's connection closes last and removes the write-ahead log.
    readers: ReaderPool,
    writer: Arc<Writer>,
    shared: Arc<Shared>,
    lockouts: Lockouts,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, and creates both if missing. Must be called in a Tokio runtime.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (file, connection) = DatabaseFile::open_or_create(directory)?;
        let shared = Arc::new(Shared::new(file, &connection)?);
        let critical_tasks = CriticalTasks::default();
        let writer = Writer::start(connection, Arc::clone(&shared), critical_tasks.clone())
            .map_err(|error| OpenError::Directory(directory.to_owned(), error))?;
        let store = Self {
            readers: ReaderPool::new(Arc::clone(&shared)),
            writer: Arc::new(writer),
            shared,
            lockouts: Lockouts::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            critical_tasks,
        };
        let sweep = sweep::run(Arc::clone(&store.writer), Arc::clone(&store.shared));
        let sweep = store.stop.clone().run_until_cancelled_owned(sweep).map(drop);
        store.tasks.spawn(store.critical_tasks.clone().task(sweep));
        let checkpoint = checkpoint::run(Arc::clone(&store.writer), Arc::clone(&store.shared), store.stop.clone());
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

    /// Reads from `room` at one instant. Fails with [`StoreError::NotFound`] unless it is alive.
    async fn read_room<T, W>(&self, room: RoomId, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, RoomRow) -> Result<T, StoreError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.readers
            .read(move |connection, now| {
                let room = rooms::find(connection, room, now)?.ok_or(StoreError::NotFound)?;
                shared.recent_messages.remove_older(room.state.room.id, room.state.head);
                work(connection, room)
            })
            .await
    }

    /// How long `room` lives. Fails with [`StoreError::NotFound`] unless it is alive.
    async fn remaining(&self, room: RoomId) -> Result<Duration, StoreError> {
        let RoomState { room, now, .. } = self.snapshot(room, None).await?.state;
        Ok(room.remaining(now))
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn create_room(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        self.writer.write(move |ctx| writes::create_room(ctx, room)).await
    }

    async fn end_room(&self, _room: RoomId) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn bans(&self, _room: RoomId, _after: Option<u64>, _limit: u32) -> Result<BanPage, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn member(&self, _room: RoomId, _user: &UserId) -> Result<Option<Member>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn join(&self, _room: RoomId, _actor: Actor) -> Result<Member, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn reactions_by(&self, _: RoomId, _: &UserId, _: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn react(&self, _reaction: Reaction) -> Result<Reacted, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn log_reactions(&self, _room: RoomId) -> Result<Option<Duration>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn announce_typing(&self, _room: RoomId, _typing: Typing) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn report_presence(&self, _room: RoomId, _report: PresenceReport) -> Result<bool, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn present_elsewhere(&self, _room: RoomId) -> Result<PresentUsers, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        let recent = &self.shared.recent_messages;
        if let Some(snapshot) = recent.snapshot(room, window, self.shared.clock.now()) {
            return Ok(snapshot);
        }
        let version = recent.version(room);
        let read = self.read_room(room, move |connection, room| {
            let messages = match window {
                Some(window) => history::messages(connection, &room, window.range(room.state.message_count))?,
                None => Vec::new(),
            };
            Ok(Snapshot { state: room.state, messages })
        });
        let snapshot = read.await?;
        recent.insert(&snapshot, version);
        Ok(snapshot)
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.read_room(room, move |connection, room| {
            let total = room.state.user_count;
            let users = history::users(connection, &room, window.range(total))?;
            Ok(UserPage { users, total })
        })
        .await
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.readers
            .read(move |connection, now| {
                let mut rooms = rooms::list(connection, after, limit.saturating_add(1), now)?;
                let more = rooms.len() > limit as usize;
                rooms.truncate(limit as usize);
                Ok(ActiveRooms { rooms, more, total: rooms::count(connection, now)? })
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
        self.writer.write(move |ctx| writes::commit(ctx, commit)).await
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        self.writer.write(move |ctx| writes::send(ctx, admission, message)).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        let now = self.shared.clock.now();
        if self.shared.recent_messages.snapshot(room, None, now).is_some_and(|room| room.state.head == after) {
            return Ok(Vec::new());
        }
        self.read_room(room, move |connection, room| {
            let is_in_log = match after.seq.0 {
                0 => after == Position::START,
                // The position comes from a client, and SQLite integers have 63 bits.
                _ if after.seq > room.state.head.seq => false,
                _ => history::entry_tag(connection, &room, after.seq)? == Some(after.tag),
            };
            if !is_in_log {
                return Err(StoreError::ForeignPosition);
            }
            Ok(history::events(connection, &room, after.seq.next(), limit)?)
        })
        .await
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.shared.feed)
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
        Ok(self.lockouts.begin_code_attempt(room, self.remaining(room).await?, client, limits))
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        self.lockouts.trust_client(room, self.remaining(room).await?, client, counted);
        Ok(())
    }

    /// Goes through the writer to the disk, like any write.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.write(writes::ping).await
    }
}

#[async_trait]
impl FailureCounters for EmbeddedStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        Ok(self.lockouts.record_failure(subject, policy))
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.lockouts.undo_failure(subject, record);
        Ok(())
    }
}
