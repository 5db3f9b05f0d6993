//! The embedded store: one durable SQLite database in the data directory, used by one process at a time.
//!
//! One `writer` thread commits all waiting `writes` together. `reader_pool` has connections of its own, with which `history`
//! and `rooms` read. `sweep` removes expired data, and `checkpoint` copies the write-ahead log into the database.
//! docs/decisions/0002-embedded-store.md explains why SQLite was chosen over faster engines.

pub mod backup;
mod bans;
mod checkpoint;
mod clock;
mod entries;
mod error;
mod event_kinds;
pub mod export;
mod file;
mod history;
mod layout;
mod lockouts;
mod members;
mod open;
pub mod preflight;
mod reaction_rows;
mod reactions;
mod reader_pool;
mod recent_messages;
mod remnants;
pub mod restore;
mod room_cache;
mod rooms;
mod rules;
mod sweep;
mod user_writes;
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
use crate::domain::user::{Role, UserId};
use crate::store::{
    ActiveRooms, Actor, AddressHash, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, CodeAttempt,
    Commit, Committed, FailureCounters, FailureOutcome, FailureRecord, Feed, FeedItem, LockoutPolicy, Member,
    NewMessage, NewRoom, PresenceReport, PresentUsers, Reacted, Reaction, RoomState, Sent, Snapshot, Store, StoreError,
    Subject, UserPage,
};

pub use crate::store::embedded::open::OpenError;

use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::lockouts::Lockouts;
use crate::store::embedded::reader_pool::ReaderPool;
use crate::store::embedded::rooms::{Listing, RoomRow};
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
                shared.recent_messages.remove_older(&room.state);
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

    async fn end_room(&self, room: RoomId) -> Result<(), StoreError> {
        self.writer.write(move |ctx| writes::end_room(ctx, room)).await?;
        self.lockouts.forget_room(room);
        Ok(())
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

    async fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError> {
        self.read_room(room, move |connection, room| {
            let now = room.state.now;
            let rows = bans::page(connection, room.key, after, limit.saturating_add(1), now)?;
            let more = rows.len() > limit as usize;
            let bans = rows.into_iter().take(limit as usize).map(|row| (row.index, row.ban)).collect();
            Ok(BanPage { bans, more, total: bans::count(connection, room.key, now)? })
        })
        .await
    }

    async fn member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        let id = user.clone();
        self.read_room(room, move |connection, room| {
            let Some(row) = members::find(connection, room.key, &id)? else { return Ok(None) };
            let address = address.filter(|_| !id.is_signed());
            let banned_until = match row.role {
                Role::Owner => None,
                Role::Member => bans::find_end(connection, room.key, &id, address, room.state.now)?,
            };
            Ok(Some(Member { user: row.user(id), role: row.role, banned_until, head: room.state.head }))
        })
        .await
    }

    async fn join(&self, room: RoomId, actor: Actor) -> Result<Member, StoreError> {
        self.writer.write(move |ctx| writes::join(ctx, room, actor)).await
    }

    async fn reactions_by(&self, room: RoomId, user: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        let (user, messages) = (user.clone(), messages.to_vec());
        self.read_room(room, move |connection, room| {
            let emoji = |index: &u64| reaction_rows::of_user(connection, room.id_of(*index), &user);
            Ok(messages.iter().map(emoji).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn react(&self, reaction: Reaction) -> Result<Reacted, StoreError> {
        self.writer.write(move |ctx| reactions::react(ctx, reaction)).await
    }

    async fn log_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError> {
        self.writer.write(move |ctx| reactions::log_reactions(ctx, room)).await
    }

    async fn announce_typing(&self, room: RoomId, typing: Typing) -> Result<(), StoreError> {
        // An error means that no feed is open.
        let _ = self.shared.feed.send(FeedItem::Typing(room, Arc::new(typing)));
        Ok(())
    }

    /// Does nothing, because there are no other nodes.
    async fn report_presence(&self, _room: RoomId, _report: PresenceReport) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn present_elsewhere(&self, _room: RoomId) -> Result<PresentUsers, StoreError> {
        Ok(PresentUsers::default())
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.readers
            .read(move |connection, now| {
                let mut rooms = rooms::list(connection, Listing::Listed, after, limit.saturating_add(1), now)?;
                let more = rooms.len() > limit as usize;
                rooms.truncate(limit as usize);
                Ok(ActiveRooms { rooms, more, total: rooms::count_listed(connection, now)? })
            })
            .await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.writer.write(move |ctx| user_writes::authenticate(ctx, admission)).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        let user = user.clone();
        self.writer.write(move |ctx| user_writes::forget_new_user(ctx, &user, token)).await
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
