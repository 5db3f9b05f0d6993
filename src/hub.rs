//! Local fan-out: one feed from the store in, one bounded broadcast per watched room out, and [`Hub::follow`], by which
//! every reader gets every event of a room once and in order.
//!
//! A reader joins the live broadcast first, reads the log from its position, then goes live. Whatever is doubtful (a gap
//! in the numbers, a slow reader that lost its place, a feed that says `Resync`) means: read the log again.
//!
//! A live reader waits for its broadcast and for nothing else. That the room ends, or this process, it learns from the
//! end of the broadcast.

mod metrics;
mod room_changes;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rand::RngExt as _;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::{Event, Position};
use crate::domain::room::RoomId;
use crate::metrics::Metrics;
use crate::store::{Feed, FeedItem, RoomState, Store, StoreError, VIEWERS_KEPT};

use crate::hub::metrics::{Numbers, Reason};
use crate::hub::room_changes::{AsOf, Changes, Now};

/// Live events a reader may lie behind before it goes back to the log.
const BACKLOG: usize = 64;

/// Log entries read at once, and bytes of text that a reader keeps of them: it may stop reading with all of them at hand.
const LOG_PAGE: u32 = 100;
const PAGE_BYTES: usize = 32 * 1024;

/// Pause before a reader asks an unavailable store again: doubled each time, within these bounds, jittered.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How often this node tells the others of its viewers.
const REPORT_VIEWERS: Duration = Duration::from_secs(5);
const _: () = assert!(REPORT_VIEWERS.as_millis() * 2 < VIEWERS_KEPT.as_millis(), "a report must outlive a lost one");

/// Knows who follows which room on this node.
#[derive(Clone)]
pub struct Hub {
    store: Arc<dyn Store>,
    rooms: Arc<Rooms>,
    stop: CancellationToken,
    tasks: TaskTracker,
    critical_tasks: CriticalTasks,
    numbers: Arc<Numbers>,
}

/// The rooms watched here. The lock is held for a look-up and a send, never across an await; sending under it keeps the
/// order of a room's events.
type Rooms = Mutex<HashMap<RoomId, Watched>>;

struct Watched {
    /// None once the room has ended, or this process is stopping: that it is dropped tells the readers.
    live: Option<broadcast::Sender<FeedItem>>,
    viewers: u32,
    changes: Arc<Changes>,
    /// Waits for the room's end.
    _end: AbortOnDropHandle<()>,
}

impl Watched {
    /// Tells all readers. A send fails only when the last of them is just leaving.
    fn tell(&self, announcement: FeedItem) {
        match &announcement {
            FeedItem::Event(event) => self.changes.note(event),
            FeedItem::Resync | FeedItem::ResyncOf(_) => self.changes.forget(),
        }
        if let Some(live) = &self.live {
            let _ = live.send(announcement);
        }
    }

    /// What is told from now on.
    fn listen(&self) -> broadcast::Receiver<FeedItem> {
        match &self.live {
            Some(live) => live.subscribe(),
            None => broadcast::channel(1).1,
        }
    }
}

impl Hub {
    /// Starts the hub's own tasks on the current runtime.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (rooms, stop, tasks, critical_tasks, numbers) = Default::default();
        let hub = Self { store, rooms, stop, tasks, critical_tasks, numbers };
        let distribute = distribute(hub.store.feed(), Arc::clone(&hub.rooms), hub.stop.clone());
        hub.tasks.spawn(hub.critical_tasks.clone().task(distribute));
        let report = report_viewers(Arc::clone(&hub.store), Arc::clone(&hub.rooms), hub.stop.clone());
        hub.tasks.spawn(hub.critical_tasks.clone().task(report));
        hub
    }

    /// Ends the hub's own tasks and every follower's stream.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The hub's own tasks: without one of them nothing is delivered any more.
    pub const fn critical_tasks(&self) -> &CriticalTasks {
        &self.critical_tasks
    }

    /// Registers what the hub counts.
    pub fn register(&self, metrics: &Metrics) {
        self.numbers.register(metrics);
    }

    /// Live subscriptions of `room` on this node.
    pub fn viewers(&self, room: RoomId) -> u32 {
        lock(&self.rooms).get(&room).map_or(0, |watched| watched.viewers)
    }

    /// Every event of the room behind `after`, in order, each once: first what the log has, then what happens.
    ///
    /// Fails at once when the store is unavailable or `after` is not a position of the room's log. Once it runs, an
    /// unavailable store only delays it.
    pub async fn follow(&self, state: &RoomState, after: Position) -> Result<Follower, StoreError> {
        let watch = Watch::begin(self, state).await?;
        let as_of = watch.changes.as_of();
        let page = Page::of(self.store.read_log(state.room.id, after, LOG_PAGE).await?, LOG_PAGE, as_of);
        if !page.is_empty() {
            self.numbers.goes_back(Reason::Resume);
        }
        let (position, stop) = (after, self.stop.clone());
        Ok(Follower { watch, position, before: after, as_of, place: Place::Log(page), stop })
    }

    /// A room that nobody has watched so far.
    fn watched_from_now(&self, state: &RoomState) -> Watched {
        let (room, ends) = (state.room.id, Instant::now() + state.room.remaining(state.now));
        let (rooms, stop) = (Arc::clone(&self.rooms), self.stop.clone());
        let end = self.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep_until(ends) => {
                    lock(&rooms).get_mut(&room).map(|watched| watched.live.take());
                }
                () = stop.cancelled() => {}
            }
        });
        let live = (!self.stop.is_cancelled()).then(|| broadcast::channel(BACKLOG).0);
        Watched { live, viewers: 0, changes: Arc::default(), _end: AbortOnDropHandle::new(end) }
    }
}

/// One reader of a room, made by [`Hub::follow`].
pub struct Follower {
    watch: Watch,
    position: Position,
    /// Where it was before the last event.
    before: Position,
    /// What the last event is known to show.
    as_of: AsOf,
    place: Place,
    stop: CancellationToken,
}

/// Where a reader gets its next event from.
enum Place {
    /// A page of the log, and the pages behind it.
    Log(Page),
    /// The broadcast, as long as nothing is doubtful.
    Live,
    Nowhere,
}

impl Follower {
    /// The next event, with its message as it is now, as far as this process knows. `None` when the room has ended, or this
    /// process is stopping; an error, and `None` from then on, when the log turns out not to hold the reader's position. To
    /// give up waiting for it loses nothing.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, StoreError>> {
        loop {
            match &mut self.place {
                Place::Live => match self.watch.live.recv().await {
                    Ok(FeedItem::Event(event)) if event.position.seq == self.position.seq.next() => {
                        let as_of = AsOf { change: event.position.seq, ..self.as_of };
                        match self.take(event, as_of) {
                            Some(event) => {
                                self.watch.numbers.live.inc();
                                return Some(Ok(event));
                            }
                            None => self.go_back(Reason::Lag),
                        }
                    }
                    Ok(FeedItem::Event(event)) if is_known(&event, self.position) => {}
                    Ok(FeedItem::Event(_)) => self.go_back(Reason::Gap),
                    Ok(FeedItem::Resync | FeedItem::ResyncOf(_)) => self.go_back(Reason::Resync),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.watch.live = self.watch.live.resubscribe();
                        self.go_back(Reason::Lag);
                    }
                    Err(broadcast::error::RecvError::Closed) => self.place = Place::Nowhere,
                },
                Place::Log(page) => match (page.events.next(), page.next) {
                    (Some(event), _) => {
                        let (as_of, read) = (page.as_of, page.read);
                        page.read += 1;
                        match self.take(Arc::new(event), as_of) {
                            Some(event) => {
                                self.watch.numbers.replayed.inc();
                                return Some(Ok(event));
                            }
                            None => self.place = Place::Log(Page { read, ..Page::before_any() }),
                        }
                    }
                    (None, None) => {
                        self.watch.numbers.caught_up(page.read);
                        self.as_of = page.as_of;
                        self.place = Place::Live;
                    }
                    // In a box, as every live reader would otherwise keep room for it.
                    (None, Some(limit)) => {
                        let read = page.read;
                        match Box::pin(self.read_patiently(limit)).await {
                            Ok(page) => self.place = Place::Log(Page { read, ..page }),
                            Err(end) => {
                                self.place = Place::Nowhere;
                                if let End::Failed(error) = end {
                                    return Some(Err(error));
                                }
                            }
                        }
                    }
                },
                Place::Nowhere => return None,
            }
        }
    }

    /// Takes an event, which shows what `as_of` says; `None` when only the log can tell what its message is now.
    fn take(&mut self, event: Arc<Event>, as_of: AsOf) -> Option<Arc<Event>> {
        let event = match self.watch.changes.now(&event, as_of) {
            Now::AsShown => event,
            Now::Changed(message) => Arc::new(Event { message, ..Event::clone(&event) }),
            Now::Unknown => return None,
        };
        self.before = std::mem::replace(&mut self.position, event.position);
        self.as_of = as_of;
        Some(event)
    }

    /// The room that is followed.
    pub const fn room(&self) -> RoomId {
        self.watch.room
    }

    /// The last event again, with its message as it is by now; `None` when [`next`](Self::next) has to read that first.
    pub fn refresh(&mut self, event: &Arc<Event>) -> Option<Arc<Event>> {
        match self.watch.changes.now(event, self.as_of) {
            Now::AsShown => Some(Arc::clone(event)),
            Now::Changed(message) => Some(Arc::new(Event { message, ..Event::clone(event) })),
            Now::Unknown => {
                self.position = self.before;
                self.go_back(Reason::Lag);
                None
            }
        }
    }

    /// Reads the log again before anything else.
    fn go_back(&mut self, reason: Reason) {
        self.watch.numbers.goes_back(reason);
        self.place = Place::Log(Page::before_any());
    }

    /// Reads the next page of the log, however long the store takes to come back.
    async fn read_patiently(&self, limit: u32) -> Result<Page, End> {
        let mut pause = RETRY.0;
        loop {
            let as_of = self.watch.changes.as_of();
            match self.watch.store.read_log(self.watch.room, self.position, limit).await {
                Ok(events) => return Ok(Page::of(events, limit, as_of)),
                Err(StoreError::NotFound) => return Err(End::Completed),
                Err(StoreError::Unavailable(_)) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                        () = self.stop.cancelled() => return Err(End::Completed),
                    }
                    pause = (pause * 2).min(RETRY.1);
                }
                Err(error) => return Err(End::Failed(error)),
            }
        }
    }
}

/// What a reader holds of the log at a time.
struct Page {
    events: std::vec::IntoIter<Event>,
    /// How many entries to ask for next; `None` when these were the last.
    next: Option<u32>,
    /// What was known when it was read, which it shows.
    as_of: AsOf,
    /// How many events this page, and those before it since the reader was not live, have given.
    read: u32,
}

impl Page {
    /// Nothing yet, and everything behind it.
    fn before_any() -> Self {
        Self { events: Vec::new().into_iter(), next: Some(LOG_PAGE), as_of: AsOf::default(), read: 0 }
    }

    /// Keeps of `events`, up to `limit` of which were asked for, what a reader may hold. What is let go is read again, so
    /// where messages are big, the next page asks for fewer.
    fn of(mut events: Vec<Event>, limit: u32, as_of: AsOf) -> Self {
        let (mut bytes, mut kept) = (0, 0);
        for event in &events {
            bytes += event.message.text.as_ref().map_or(0, |text| text.as_str().len());
            if bytes > PAGE_BYTES && kept > 0 {
                break;
            }
            kept += 1;
        }
        let is_last = events.len() < limit as usize && kept as usize == events.len();
        events.truncate(kept as usize);
        events.shrink_to_fit();
        Self { events: events.into_iter(), next: (!is_last).then(|| (kept * 2).clamp(1, LOG_PAGE)), as_of, read: 0 }
    }

    fn is_empty(&self) -> bool {
        self.events.as_slice().is_empty()
    }
}

/// Whether a reader at `position` has had this event, or a later one, already.
fn is_known(event: &Event, position: Position) -> bool {
    event.position.seq < position.seq || event.position == position
}

/// Why a reading of the log ends a subscription.
enum End {
    /// The room has ended, or this process is stopping.
    Completed,
    Failed(StoreError),
}

/// One reader's hold on a room's live broadcast. Letting go of it ends the watch with its last reader.
struct Watch {
    live: broadcast::Receiver<FeedItem>,
    room: RoomId,
    rooms: Arc<Rooms>,
    store: Arc<dyn Store>,
    numbers: Arc<Numbers>,
    changes: Arc<Changes>,
}

impl Watch {
    /// Joins the live broadcast of a room; returns when nothing committed from now on can be missed.
    async fn begin(hub: &Hub, state: &RoomState) -> Result<Self, StoreError> {
        let room = state.room.id;
        let (watch, joined) = {
            let mut rooms = lock(&hub.rooms);
            let watched = rooms.entry(room).or_insert_with(|| hub.watched_from_now(state));
            watched.viewers += 1;
            let live = watched.listen();
            let (numbers, changes) = (Arc::clone(&hub.numbers), Arc::clone(&watched.changes));
            numbers.viewers.inc();
            numbers.rooms.set(rooms.len() as i64);
            let (rooms_of_hub, store) = (Arc::clone(&hub.rooms), Arc::clone(&hub.store));
            let watch = Self { live, room, rooms: rooms_of_hub, store, numbers, changes };
            // Under the lock, so that the store hears of watching and unwatching in the order in which they happen.
            (watch, hub.store.subscribe(room))
        };
        joined.await?;
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut rooms = lock(&self.rooms);
        if let Entry::Occupied(mut watched) = rooms.entry(self.room) {
            watched.get_mut().viewers -= 1;
            if watched.get().viewers == 0 {
                watched.remove();
                self.store.unsubscribe(self.room);
            }
        }
        self.numbers.viewers.dec();
        self.numbers.rooms.set(rooms.len() as i64);
    }
}

/// A panic under the lock leaves a map that is still right.
fn lock(rooms: &Rooms) -> MutexGuard<'_, HashMap<RoomId, Watched>> {
    rooms.lock()
}

/// Hands every announcement to the readers of its room, until told to stop.
async fn distribute(mut feed: Feed, rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        let announcement = tokio::select! {
            announcement = feed.next() => announcement,
            () = stop.cancelled() => None,
        };
        let mut rooms = lock(&rooms);
        match announcement {
            Some(FeedItem::Event(event)) => {
                if let Some(watched) = rooms.get(&event.room()) {
                    watched.tell(FeedItem::Event(event));
                }
            }
            Some(FeedItem::ResyncOf(doubtful)) => {
                let watched = doubtful.iter().filter_map(|room| rooms.get(room));
                watched.for_each(|watched| watched.tell(FeedItem::Resync));
            }
            Some(FeedItem::Resync) => rooms.values().for_each(|watched| watched.tell(FeedItem::Resync)),
            None => return rooms.values_mut().for_each(|watched| watched.live = None),
        }
    }
}

/// Tells the other nodes of this one's viewers, until told to stop; then takes the numbers back.
async fn report_viewers(store: Arc<dyn Store>, rooms: Arc<Rooms>, stop: CancellationToken) {
    let mut reported: Vec<RoomId> = Vec::new();
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(REPORT_VIEWERS) => false,
            () = stop.cancelled() => true,
        };
        let mut counts: HashMap<RoomId, u32> = reported.drain(..).map(|room| (room, 0)).collect();
        if !stopping {
            counts.extend(lock(&rooms).iter().map(|(room, watched)| (*room, watched.viewers)));
        }
        reported.extend(counts.iter().filter(|(_, viewers)| **viewers > 0).map(|(room, _)| *room));
        let counts: Vec<_> = counts.into_iter().collect();
        if !counts.is_empty()
            && let Err(error) = store.report_viewers(&counts).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "viewers could not be reported to the other nodes"
            );
        }
        if stopping {
            return;
        }
    }
}
