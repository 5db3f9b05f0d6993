//! Local fan-out: dispatches the feed of the store to one bounded broadcast per watched room. [`Hub::follow`] gives every reader
//! every event of a room once and in order.
//!
//! A reader joins the live broadcast, reads the log from its position unless that is the end, and goes live. Whenever it may
//! have missed something (a gap in the sequence, a reader too slow for the broadcast, a feed that reports `Resync`), it reads
//! the log again.
//!
//! A live reader waits for its broadcast and for nothing else. The broadcast closes when the room ends or this process stops.

mod broadcast;
mod log_page;
mod metrics;
mod presence;
mod reaction_log;
mod recent_changes;
mod room_end;
mod viewer_reports;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rand::RngExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::{Event, EventKind};
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::metrics::Metrics;
use crate::store::{Feed, FeedItem, Member, RoomState, Store, StoreError};

use crate::hub::broadcast::{ReceiveError, Receiver, Sender};
use crate::hub::log_page::{LOG_PAGE, LogPage};
use crate::hub::metrics::{HubMetrics, ReplayReason};
use crate::hub::presence::RoomPresence;
use crate::hub::reaction_log::ReactionLog;
use crate::hub::recent_changes::{AsOf, RecentChanges};
use crate::hub::room_end::RoomEnd;

pub use crate::hub::presence::PresenceReader;

/// Bounds of the pause before a reader tries an unavailable store again. The pause doubles each time, with jitter.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A room that is gone less than this before its time may have ended by itself: the store's clock and ours differ.
const END_TOLERANCE: Duration = Duration::from_secs(5);

/// The readers on this node, by room.
#[derive(Clone)]
pub struct Hub {
    store: Arc<dyn Store>,
    rooms: Arc<WatchedRooms>,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
    metrics: Arc<HubMetrics>,
}

/// The rooms that have readers. Sending under the lock keeps the order of a room's events. It is never held across an await.
type WatchedRooms = Mutex<HashMap<RoomId, WatchedRoom>>;

struct WatchedRoom {
    /// `None` once the room has ended or this process is stopping. Dropping the sender ends the readers' streams.
    live: Option<Sender<FeedItem>>,
    viewers: u32,
    changes: Arc<RecentChanges>,
    reaction_log: ReactionLog,
    /// Whether anybody has ever reacted to a message.
    has_reactions: bool,
    /// Who is here. `None` if nobody has asked lately.
    presence: Option<Arc<RoomPresence>>,
    ends: RoomEnd,
    /// Closes the room when it ends.
    _end: AbortOnDropHandle<()>,
}

impl WatchedRoom {
    fn send(&self, item: FeedItem) {
        match &item {
            FeedItem::Event(event) => self.changes.record(event),
            FeedItem::Resync | FeedItem::ResyncOf(_) => self.changes.forget(),
            FeedItem::Ended(_)
            | FeedItem::ReactionsPending(..)
            | FeedItem::Typing(..)
            | FeedItem::PresenceChanged(_) => {}
        }
        if let Some(presence) = &self.presence {
            match &item {
                FeedItem::Event(event) => presence.record_event(event),
                FeedItem::Resync | FeedItem::ResyncOf(_) => presence.record_resync(),
                _ => {}
            }
        }
        if let Some(live) = &self.live {
            live.send(item);
        }
    }

    /// Tells the readers that the owner has ended the room, and ends their streams.
    fn end(&mut self, room: RoomId) {
        if let Some(live) = &self.live {
            live.send(FeedItem::Ended(room));
        }
        self.close();
    }

    /// Ends the streams of all readers.
    fn close(&mut self) {
        self.live = None;
        if let Some(presence) = &self.presence {
            presence.close();
        }
    }

    fn set_viewers(&mut self, viewers: u32) {
        self.viewers = viewers;
        if let Some(presence) = &self.presence {
            presence.record_viewers(viewers);
        }
    }

    const fn is_watched(&self) -> bool {
        self.viewers > 0 || self.presence.is_some()
    }

    /// Adds a viewer, and requests a subscription from the store. The caller holds the lock of the rooms, so the store gets
    /// subscriptions and unsubscriptions in the order in which they happen.
    fn join(&mut self, hub: &Hub, room: RoomId) -> (RoomWatch, BoxFuture<'static, Result<(), StoreError>>) {
        self.set_viewers(self.viewers + 1);
        hub.metrics.viewers.inc();
        let (metrics, store) = (Arc::clone(&hub.metrics), Arc::clone(&hub.store));
        let (live, changes) = (self.subscribe(), Arc::clone(&self.changes));
        let watch = RoomWatch { live, room, ends: self.ends, rooms: Arc::clone(&hub.rooms), store, metrics, changes };
        (watch, hub.store.subscribe(room))
    }

    /// Receives what is sent from now on.
    fn subscribe(&self) -> Receiver<FeedItem> {
        match &self.live {
            Some(live) => live.subscribe(),
            None => Sender::new().subscribe(),
        }
    }
}

impl Hub {
    /// Starts the hub's own tasks on the current runtime.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (rooms, stop, tasks, critical_tasks, metrics) = Default::default();
        let hub = Self { store, rooms, stop, tasks, critical_tasks, metrics };
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
        let watch = RoomWatch::start(self, state).await?;
        let as_of = watch.changes.as_of();
        let page = LogPage::new(self.store.read_log(state.room.id, after, LOG_PAGE).await?, LOG_PAGE, as_of);
        if !page.is_empty() {
            self.metrics.record_replay(ReplayReason::Resume);
        }
        Ok(self.follower(watch, after, as_of, Source::Log(page)))
    }

    /// Joins the live broadcast of a room that others follow on this node. `None` if nobody does.
    pub async fn join(&self, room: RoomId) -> Result<Option<JoinedRoom>, StoreError> {
        let watch = RoomWatch::start_if_watched(self, room).await?;
        Ok(watch.map(|watch| JoinedRoom { as_of: watch.changes.as_of(), watch }))
    }

    /// Every event after the position `head`, in order, each once. `head` must be the last position of the room, read after the
    /// room was joined. Then the broadcast brings every event after it.
    pub fn follow_joined(&self, joined: JoinedRoom, head: Position) -> Follower {
        self.follower(joined.watch, head, joined.as_of, Source::Live)
    }

    /// Opens a subscription of a room's presence. It counts as no viewer, and ends with the room. When this returns, the users of
    /// other nodes are known, and no ban committed from then on can be missed.
    pub async fn presence(&self, state: &RoomState) -> PresenceReader {
        let room = state.room.id;
        let reader = {
            let mut rooms = self.rooms.lock();
            let watched = rooms.entry(room).or_insert_with(|| self.watch_room(state));
            let presence = watched.presence.take().unwrap_or_else(|| self.start_presence(room, watched));
            let reader = PresenceReader::new(&presence);
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
        let presence = RoomPresence::new(room, watched.ends, watched.viewers, watched.live.is_none());
        let presence = Arc::new(presence);
        let watch = PresenceWatch { room, presence: Arc::clone(&presence), hub: self.clone() };
        self.tasks.spawn(watch.run(self.store.subscribe(room)));
        presence
    }

    fn follower(&self, watch: RoomWatch, position: Position, as_of: AsOf, source: Source) -> Follower {
        Follower { watch, position, previous: position, as_of, source, stop: self.stop.clone() }
    }

    /// The entry of a room that had no readers so far.
    fn watch_room(&self, state: &RoomState) -> WatchedRoom {
        let room = state.room.id;
        let ends = RoomEnd { at: state.room.expires_at, instant: Instant::now() + state.room.remaining(state.now) };
        let (rooms, stop) = (Arc::clone(&self.rooms), self.stop.clone());
        let end = self.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep_until(ends.instant) => {
                    if let Some(watched) = rooms.lock().get_mut(&room) {
                        watched.close();
                    }
                }
                () = stop.cancelled() => {}
            }
        });
        let live = (!self.stop.is_cancelled()).then(Sender::new);
        let watched = WatchedRoom {
            live,
            viewers: 0,
            changes: Arc::default(),
            reaction_log: ReactionLog::default(),
            has_reactions: state.reaction_changes > 0,
            presence: None,
            ends,
            _end: AbortOnDropHandle::new(end),
        };
        // A node that gathered reactions may have been killed while nobody watched the room.
        if watched.has_reactions {
            self.schedule_reactions(&watched, room, Duration::ZERO);
        }
        watched
    }

    fn schedule_reactions(&self, watched: &WatchedRoom, room: RoomId, due: Duration) {
        watched.reaction_log.schedule(&self.store, room, due, &self.tasks, &self.stop);
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
                    if let Some(watched) = rooms.get(&event.room) {
                        watched.send(FeedItem::Event(event));
                    }
                }
                Some(FeedItem::Ended(room)) => {
                    if let Some(watched) = rooms.get_mut(&room) {
                        watched.end(room);
                    }
                }
                Some(FeedItem::ReactionsPending(room, due)) => {
                    if let Some(watched) = rooms.get_mut(&room) {
                        watched.has_reactions = true;
                        self.schedule_reactions(watched, room, due);
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
                        if let Some(watched) = rooms.get(room) {
                            self.resync(watched, *room);
                        }
                    }
                }
                Some(FeedItem::Resync) => rooms.iter().for_each(|(room, watched)| self.resync(watched, *room)),
                None => return rooms.values_mut().for_each(WatchedRoom::close),
            }
        }
    }

    /// Makes the readers of a room read its log. The announcement of gathered reactions may be lost, too.
    fn resync(&self, watched: &WatchedRoom, room: RoomId) {
        watched.send(FeedItem::Resync);
        if watched.has_reactions {
            self.schedule_reactions(watched, room, Duration::ZERO);
        }
    }
}

/// A room whose live broadcast was joined, but not read yet.
pub struct JoinedRoom {
    watch: RoomWatch,
    /// The changes shown by everything that is read after the room was joined.
    as_of: AsOf,
}

/// One reader of a room, made by [`Hub::follow`] or [`Hub::follow_joined`].
pub struct Follower {
    watch: RoomWatch,
    position: Position,
    /// The position before the last event.
    previous: Position,
    /// The changes that the last event is known to show.
    as_of: AsOf,
    source: Source,
    stop: CancellationToken,
}

/// Where a reader gets its next event from.
enum Source {
    /// This page of the log, and the pages after it.
    Log(LogPage),
    /// The broadcast, as long as nothing can have been missed.
    Live,
    Ended,
}

impl Follower {
    /// The next event, with its message as it is now, as far as this process knows. Returns `None` once the room has ended or
    /// this process is stopping, and an error followed by `None` if the log does not contain the reader's position. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, StoreError>> {
        loop {
            match &mut self.source {
                Source::Live => match self.watch.live.receive().await {
                    Ok(FeedItem::Event(event)) if event.position.seq == self.position.seq.next() => {
                        let as_of = AsOf { seq: event.position.seq, ..self.as_of };
                        match self.advance(event, as_of) {
                            Some(event) => {
                                self.watch.metrics.live.inc();
                                return Some(Ok(event));
                            }
                            None => self.replay(ReplayReason::Lag),
                        }
                    }
                    Ok(FeedItem::Ended(_)) => return Some(Ok(self.end_room())),
                    // Only the hub itself takes these.
                    Ok(FeedItem::ReactionsPending(..) | FeedItem::Typing(..) | FeedItem::PresenceChanged(_)) => {}
                    Ok(FeedItem::Event(event)) if is_already_read(&event, self.position) => {}
                    Ok(FeedItem::Event(_)) => self.replay(ReplayReason::Gap),
                    Ok(FeedItem::Resync | FeedItem::ResyncOf(_)) => self.replay(ReplayReason::Resync),
                    Err(ReceiveError::Lagged) => self.replay(ReplayReason::Lag),
                    Err(ReceiveError::Closed) => self.source = Source::Ended,
                },
                Source::Log(page) => match (page.events.next(), page.next_limit) {
                    (Some(event), _) => {
                        let (as_of, replayed) = (page.as_of, page.replayed);
                        page.replayed += 1;
                        match self.advance(Arc::new(event), as_of) {
                            Some(event) => {
                                self.watch.metrics.replayed.inc();
                                return Some(Ok(event));
                            }
                            None => self.source = Source::Log(LogPage { replayed, ..LogPage::unread() }),
                        }
                    }
                    (None, None) => {
                        self.watch.metrics.record_catch_up(page.replayed);
                        self.as_of = page.as_of;
                        self.source = Source::Live;
                    }
                    // Boxed, so that a live reader's future has no space for it.
                    (None, Some(limit)) => {
                        let replayed = page.replayed;
                        match Box::pin(self.read_with_retry(limit)).await {
                            Ok(page) => self.source = Source::Log(LogPage { replayed, ..page }),
                            Err(end) => {
                                self.source = Source::Ended;
                                match end {
                                    ReadEnd::Failed(error) => return Some(Err(error)),
                                    ReadEnd::RoomGone if self.ends_too_early() => return Some(Ok(self.end_room())),
                                    ReadEnd::RoomGone | ReadEnd::Stopped => {}
                                }
                            }
                        }
                    }
                },
                Source::Ended => return None,
            }
        }
    }

    /// Advances to `event`, which shows the changes up to `as_of`, and returns it with its message as it is now. `None` if
    /// that has to be read from the log.
    fn advance(&mut self, event: Arc<Event>, as_of: AsOf) -> Option<Arc<Event>> {
        let event = self.watch.changes.update(event, as_of)?;
        self.previous = std::mem::replace(&mut self.position, event.position);
        self.as_of = as_of;
        Some(event)
    }

    /// Ends the stream, and returns its last event.
    fn end_room(&mut self) -> Arc<Event> {
        self.source = Source::Ended;
        let at = self.watch.ends.now();
        Arc::new(Event { room: self.watch.room, position: self.position, at, kind: EventKind::RoomEnded })
    }

    /// Whether the room should still live, so that its owner must have ended it.
    fn ends_too_early(&self) -> bool {
        Instant::now() + END_TOLERANCE < self.watch.ends.instant
    }

    /// The room that is followed.
    pub const fn room(&self) -> RoomId {
        self.watch.room
    }

    /// The last event again, with its message as it is now. `None` if [`next`](Self::next) has to read it from the log first.
    pub fn refresh(&mut self, event: &Arc<Event>) -> Option<Arc<Event>> {
        let updated = self.watch.changes.update(Arc::clone(event), self.as_of);
        if updated.is_none() {
            self.position = self.previous;
            self.replay(ReplayReason::Lag);
        }
        updated
    }

    /// Makes the log the source of the next event.
    fn replay(&mut self, reason: ReplayReason) {
        self.watch.metrics.record_replay(reason);
        self.source = Source::Log(LogPage::unread());
    }

    /// Reads the next page of the log. Waits for a store that is unavailable.
    async fn read_with_retry(&self, limit: u32) -> Result<LogPage, ReadEnd> {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let as_of = self.watch.changes.as_of();
            match self.watch.store.read_log(self.watch.room, self.position, limit).await {
                Ok(events) => return Ok(LogPage::new(events, limit, as_of)),
                Err(StoreError::NotFound) => return Err(ReadEnd::RoomGone),
                Err(StoreError::Unavailable(_)) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                        () = self.stop.cancelled() => return Err(ReadEnd::Stopped),
                    }
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
                Err(error) => return Err(ReadEnd::Failed(error)),
            }
        }
    }
}

fn presence_in(rooms: &HashMap<RoomId, WatchedRoom>, room: RoomId) -> Option<&RoomPresence> {
    rooms.get(&room)?.presence.as_deref()
}

/// Whether a reader at `position` has read this event or a later one.
fn is_already_read(event: &Event, position: Position) -> bool {
    event.position.seq < position.seq || event.position == position
}

/// Why a read of the log ends a stream.
enum ReadEnd {
    /// The room does not exist any more.
    RoomGone,
    /// This process is stopping.
    Stopped,
    Failed(StoreError),
}

/// One reader's share of a room's live broadcast. The room is no longer watched when its last reader drops this.
struct RoomWatch {
    live: Receiver<FeedItem>,
    room: RoomId,
    ends: RoomEnd,
    rooms: Arc<WatchedRooms>,
    store: Arc<dyn Store>,
    metrics: Arc<HubMetrics>,
    changes: Arc<RecentChanges>,
}

impl RoomWatch {
    /// Joins the live broadcast of a room. When this returns, nothing committed from then on can be missed.
    async fn start(hub: &Hub, state: &RoomState) -> Result<Self, StoreError> {
        let room = state.room.id;
        let (watch, subscribed) = {
            let mut rooms = hub.rooms.lock();
            let joined = rooms.entry(room).or_insert_with(|| hub.watch_room(state)).join(hub, room);
            hub.metrics.rooms.set(rooms.len() as i64);
            joined
        };
        subscribed.await?;
        Ok(watch)
    }

    /// The same for a room that others watch. `None` if nobody does.
    async fn start_if_watched(hub: &Hub, room: RoomId) -> Result<Option<Self>, StoreError> {
        let joined = hub.rooms.lock().get_mut(&room).map(|watched| watched.join(hub, room));
        let Some((watch, subscribed)) = joined else { return Ok(None) };
        subscribed.await?;
        Ok(Some(watch))
    }
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Entry::Occupied(mut watched) = rooms.entry(self.room) {
            let viewers = watched.get().viewers - 1;
            watched.get_mut().set_viewers(viewers);
            if !watched.get().is_watched() {
                watched.remove();
                self.store.unsubscribe(self.room);
            }
        }
        self.metrics.viewers.dec();
        self.metrics.rooms.set(rooms.len() as i64);
    }
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
