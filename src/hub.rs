//! Local fan-out: dispatches the feed of the store to one bounded broadcast per watched room. [`Hub::follow`] gives every reader
//! every event of a room once and in order.
//!
//! A reader joins the live broadcast, reads the log from its position unless that is the end, and goes live. Whenever it may
//! have missed something (a gap in the sequence, a reader too slow for the broadcast, a feed that reports `Resync`), it reads
//! the log again.
//!
//! A live reader waits for its broadcast and for nothing else. The broadcast closes when the room ends or this process stops.

mod broadcast;
mod follower;
mod log_page;
mod metrics;
mod presence;
mod reaction_log;
mod recent_changes;
mod resume_pages;
mod room_end;
mod viewer_reports;
mod watched_room;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::EventKind;
use crate::domain::position::Position;
use crate::domain::reaction::REACTIONS_INTERVAL;
use crate::domain::room::RoomId;
use crate::metrics::Metrics;
use crate::store::{Feed, FeedItem, Member, RoomState, Store, StoreError};

use crate::hub::broadcast::Sender;
use crate::hub::follower::Source;
use crate::hub::log_page::{LOG_PAGE, LogPage};
use crate::hub::metrics::{HubMetrics, ReplayReason};
use crate::hub::presence::RoomPresence;
use crate::hub::reaction_log::ReactionLog;
use crate::hub::recent_changes::{AsOf, RecentChanges};
use crate::hub::resume_pages::ResumePages;
use crate::hub::room_end::RoomEnd;
use crate::hub::watched_room::{RoomWatch, SharedRoom, WatchedRoom, WatchedRooms};

pub use crate::hub::follower::{Follower, JoinedRoom};
pub use crate::hub::presence::PresenceReader;

/// When reactions that were gathered before a room was watched are completed. Subscribing to the room takes less time.
const FIRST_REACTIONS_CHECK: Duration = Duration::from_secs(2);

/// The readers on this node, by room.
#[derive(Clone)]
pub struct Hub {
    store: Arc<dyn Store>,
    rooms: Arc<WatchedRooms>,
    resume_pages: Arc<ResumePages>,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
    metrics: Arc<HubMetrics>,
}

impl Hub {
    /// Starts the hub's own tasks on the current runtime.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (rooms, stop, tasks, critical_tasks, metrics) = Default::default();
        let resume_pages = Arc::new(ResumePages::new());
        let hub = Self { store, rooms, resume_pages, stop, tasks, critical_tasks, metrics };
        let dispatch = hub.clone().dispatch(hub.store.feed());
        hub.tasks.spawn(hub.critical_tasks.clone().task(dispatch));
        let rooms = Arc::clone(&hub.rooms);
        let viewers = move || {
            let rooms = rooms.lock();
            let viewers = rooms.iter().map(|(room, watched)| (*room, watched.viewers));
            viewers.filter(|(_, viewers)| *viewers > 0).collect()
        };
        let report = viewer_reports::send(Arc::clone(&hub.store), viewers, hub.stop.clone());
        hub.tasks.spawn(hub.critical_tasks.clone().task(report));
        hub
    }

    /// Ends the hub's own tasks and every follower's stream.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The hub's own tasks. If one of them fails, nothing is delivered any more.
    pub const fn critical_tasks(&self) -> &CriticalTasks {
        &self.critical_tasks
    }

    /// Registers the metrics of the hub.
    pub fn register(&self, metrics: &Metrics) {
        self.metrics.register(metrics);
    }

    /// Live subscriptions of `room` on this node.
    pub fn viewers(&self, room: RoomId) -> u32 {
        self.rooms.lock().get(&room).map_or(0, |watched| watched.viewers)
    }

    /// Every event of the room after the position `after`, in order, each once: first from the log, then live.
    ///
    /// Fails at once when the store is unavailable or `after` is not a position of the room's log. Later, an unavailable
    /// store only delays the stream.
    pub async fn follow(&self, state: &RoomState, after: Position) -> Result<Follower, StoreError> {
        let watch = self.watch(state).await?;
        let as_of = watch.room.changes.as_of();
        self.follow_from_log(watch, as_of, state, after).await
    }

    async fn follow_from_log(
        &self,
        watch: RoomWatch,
        as_of: AsOf,
        state: &RoomState,
        after: Position,
    ) -> Result<Follower, StoreError> {
        let page = LogPage::new(self.store.read_log(state.room.id, after, LOG_PAGE).await?, LOG_PAGE, as_of);
        if !page.is_empty() {
            self.metrics.record_replay(ReplayReason::Resume);
            self.resume_pages.remember(state, after, &page);
        }
        Ok(Follower::new(watch, after, as_of, Source::Log(page)))
    }

    /// Joins the live broadcast of a room that others follow on this node. `None` if nobody does.
    pub async fn join(&self, room: RoomId) -> Result<Option<JoinedRoom>, StoreError> {
        let watch = self.watch_if_watched(room).await?;
        Ok(watch.map(|watch| JoinedRoom { as_of: watch.room.changes.as_of(), watch }))
    }

    /// The same as [`follow`](Self::follow) for a reader that joined the room before `state` was read. The broadcast brings every
    /// event that `state` does not show, so what others have read of the log can be used again.
    pub async fn follow_joined(
        &self,
        joined: JoinedRoom,
        state: &RoomState,
        after: Position,
    ) -> Result<Follower, StoreError> {
        let JoinedRoom { watch, as_of } = joined;
        if after == state.head {
            return Ok(Follower::new(watch, after, as_of, Source::Live));
        }
        let Some(page) = self.resume_pages.find(state, after, as_of) else {
            return self.follow_from_log(watch, as_of, state, after).await;
        };
        self.metrics.record_replay(ReplayReason::Resume);
        Ok(Follower::new(watch, after, as_of, Source::Log(page)))
    }

    /// Opens a subscription of a room's presence. It counts as no viewer, and ends with the room. When this returns, the users of
    /// other nodes are known, and no ban committed from then on can be missed.
    pub async fn presence(&self, state: &RoomState) -> PresenceReader {
        let room = state.room.id;
        let reader = {
            let mut rooms = self.rooms.lock();
            let watched = rooms.entry(room).or_insert_with(|| self.watch_room(state));
            let presence = watched.presence.take().unwrap_or_else(|| self.start_presence(room, watched));
            let reader = PresenceReader::new(&presence, &self.metrics);
            watched.presence = Some(presence);
            self.metrics.rooms.set(rooms.len() as i64);
            reader
        };
        reader.wait_until_complete().await;
        reader
    }

    /// Shows a present user of this node as it is now.
    pub fn update_member(&self, room: RoomId, member: &Member) {
        if let Some(presence) = presence_in(&self.rooms.lock(), room) {
            presence.record_member(member);
        }
    }

    /// The presence of a room, kept by a task of its own as long as anybody reads it or is present. The caller holds the lock of the
    /// rooms.
    fn start_presence(&self, room: RoomId, watched: &WatchedRoom) -> Arc<RoomPresence> {
        let users_present = &self.metrics.users_present;
        let is_closed = watched.live.is_none();
        let presence = RoomPresence::new(room, watched.shared.ends, watched.viewers, is_closed, users_present);
        let presence = Arc::new(presence);
        let watch = PresenceWatch { room, presence: Arc::clone(&presence), hub: self.clone() };
        self.tasks.spawn(watch.run(self.store.subscribe(room)));
        presence
    }

    /// Joins the live broadcast of a room. When this returns, nothing committed from then on can be missed.
    async fn watch(&self, state: &RoomState) -> Result<RoomWatch, StoreError> {
        let room = state.room.id;
        let (watch, subscribed) = {
            let mut rooms = self.rooms.lock();
            let watched = rooms.entry(room).or_insert_with(|| self.watch_room(state));
            let joined = watched.join();
            self.metrics.rooms.set(rooms.len() as i64);
            joined
        };
        subscribed.await?;
        Ok(watch)
    }

    /// The same for a room that others watch. `None` if nobody does.
    async fn watch_if_watched(&self, room: RoomId) -> Result<Option<RoomWatch>, StoreError> {
        let joined = {
            let mut rooms = self.rooms.lock();
            rooms.get_mut(&room).map(WatchedRoom::join)
        };
        let Some((watch, subscribed)) = joined else { return Ok(None) };
        subscribed.await?;
        Ok(Some(watch))
    }

    /// The entry of a room that had no readers so far.
    fn watch_room(&self, state: &RoomState) -> WatchedRoom {
        let room = state.room.id;
        let ends = RoomEnd { at: state.room.expires_at, instant: Instant::now() + state.room.remaining(state.now) };
        let shared = Arc::new(SharedRoom {
            id: room,
            ends,
            changes: RecentChanges::default(),
            rooms: Arc::clone(&self.rooms),
            store: Arc::clone(&self.store),
            metrics: Arc::clone(&self.metrics),
            stop: self.stop.clone(),
        });
        let ending = Arc::clone(&shared);
        let end = self.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep_until(ending.ends.instant) => {
                    if let Some(watched) = ending.rooms.lock().get_mut(&ending.id) {
                        watched.close();
                    }
                }
                () = ending.stop.cancelled() => {}
            }
        });
        let live = (!self.stop.is_cancelled()).then(Sender::new);
        let mut watched = WatchedRoom {
            live,
            viewers: 0,
            shared,
            reaction_log: ReactionLog::default(),
            presence: None,
            _end: AbortOnDropHandle::new(end),
        };
        // A node that gathered reactions may have been killed while nobody watched the room. By then the subscription is active, so
        // no announcement can be missed in between.
        if state.reaction_changes > 0 {
            self.schedule_reactions(&mut watched, FIRST_REACTIONS_CHECK);
        }
        watched
    }

    fn schedule_reactions(&self, watched: &mut WatchedRoom, due: Duration) {
        watched.reaction_log.schedule(&self.store, watched.shared.id, due, &self.tasks, &self.stop);
    }

    /// Sends every item of the feed to the readers of its room, until this process stops.
    async fn dispatch(self, mut feed: Feed) {
        loop {
            let item = tokio::select! {
                item = feed.next() => item,
                () = self.stop.cancelled() => None,
            };
            let mut rooms = self.rooms.lock();
            match item {
                Some(FeedItem::Event(event)) => {
                    if let Some(watched) = rooms.get_mut(&event.room) {
                        // Reactions are gathered for a while after each entry. Their announcement may be lost.
                        if matches!(event.kind, EventKind::ReactionsChanged(_)) {
                            self.schedule_reactions(watched, REACTIONS_INTERVAL);
                        }
                        watched.send(FeedItem::Event(event));
                    }
                }
                Some(FeedItem::Ended(room)) => {
                    if let Some(watched) = rooms.get_mut(&room) {
                        watched.end();
                    }
                }
                Some(FeedItem::ReactionsPending(room, due)) => {
                    if let Some(watched) = rooms.get_mut(&room) {
                        self.schedule_reactions(watched, due);
                    }
                }
                Some(FeedItem::Typing(room, typing)) => {
                    if let Some(presence) = presence_in(&rooms, room) {
                        presence.record_typing(&typing);
                    }
                }
                Some(FeedItem::PresenceChanged(room)) => {
                    if let Some(presence) = presence_in(&rooms, room) {
                        presence.record_change_elsewhere();
                    }
                }
                Some(FeedItem::ResyncOf(affected)) => {
                    for room in affected.iter() {
                        if let Some(watched) = rooms.get_mut(room) {
                            self.resync(watched);
                        }
                    }
                }
                Some(FeedItem::Resync) => rooms.values_mut().for_each(|watched| self.resync(watched)),
                None => return rooms.values_mut().for_each(WatchedRoom::close),
            }
        }
    }

    /// Makes the readers of a room read its log. The announcement of gathered reactions may be lost, too.
    fn resync(&self, watched: &mut WatchedRoom) {
        watched.send(FeedItem::Resync);
        self.schedule_reactions(watched, Duration::ZERO);
    }
}

fn presence_in(rooms: &HashMap<RoomId, WatchedRoom>, room: RoomId) -> Option<&RoomPresence> {
    rooms.get(&room)?.presence.as_deref()
}

/// Keeps a room watched for its presence, until nobody reads it or is present.
struct PresenceWatch {
    room: RoomId,
    presence: Arc<RoomPresence>,
    hub: Hub,
}

impl PresenceWatch {
    async fn run(self, mut subscribed: BoxFuture<'static, Result<(), StoreError>>) {
        loop {
            presence::run(&self.presence, &*self.hub.store, subscribed).await;
            let mut rooms = self.hub.rooms.lock();
            // A reader may just have come.
            if self.presence.is_idle() {
                self.end(&mut rooms);
                return;
            }
            subscribed = Box::pin(std::future::ready(Ok(())));
        }
    }

    fn end(&self, rooms: &mut HashMap<RoomId, WatchedRoom>) {
        self.presence.close();
        if let Entry::Occupied(mut watched) = rooms.entry(self.room)
            && watched.get().presence.as_ref().is_some_and(|presence| Arc::ptr_eq(presence, &self.presence))
        {
            watched.get_mut().presence = None;
            if !watched.get().is_watched() {
                watched.remove();
                self.hub.store.unsubscribe(self.room);
            }
        }
        self.hub.metrics.rooms.set(rooms.len() as i64);
    }
}

impl Drop for PresenceWatch {
    /// Does nothing unless the task panicked, or was dropped before its end.
    fn drop(&mut self) {
        self.end(&mut self.hub.rooms.lock());
    }
}
