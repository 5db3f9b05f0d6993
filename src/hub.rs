//! Local fan-out: one feed from the store in, one bounded broadcast per watched room out, and [`Hub::follow`], by which
//! every reader gets every event of a room once and in order.
//!
//! A reader joins the live broadcast first, reads the log from its position, then goes live. Whatever is doubtful (a gap
//! in the numbers, a slow reader that lost its place, a feed that says `Resync`) means: read the log again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_stream::stream;
use futures_util::Stream;
use rand::RngExt as _;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::event::{Event, Position};
use crate::domain::room::RoomId;
use crate::store::{Announcement, Feed, RoomState, Store, StoreError, VIEWERS_KEPT};
use crate::vital::Vital;

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
    vital: Vital,
}

/// The rooms watched here. The lock is held for a look-up and a send, never across an await; sending under it keeps the
/// order of a room's events.
type Rooms = Mutex<HashMap<RoomId, Watched>>;

struct Watched {
    live: broadcast::Sender<Announcement>,
    viewers: u32,
}

impl Hub {
    /// Starts the hub's own tasks on the current runtime.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (rooms, stop, tasks, vital) = Default::default();
        let hub = Self { store, rooms, stop, tasks, vital };
        let distribute = distribute(hub.store.feed(), Arc::clone(&hub.rooms), hub.stop.clone());
        hub.tasks.spawn(hub.vital.clone().task(distribute));
        let report = report_viewers(Arc::clone(&hub.store), Arc::clone(&hub.rooms), hub.stop.clone());
        hub.tasks.spawn(hub.vital.clone().task(report));
        hub
    }

    /// Ends the hub's own tasks and every follower's stream.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The hub's own tasks: without one of them nothing is delivered any more.
    pub const fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Live subscriptions of `room` on this node.
    pub fn viewers(&self, room: RoomId) -> u32 {
        lock(&self.rooms).get(&room).map_or(0, |watched| watched.viewers)
    }

    /// Every event of the room behind `after`, in order, each once: first what the log has, then what happens. The
    /// stream ends when the room does, and with an error when the log turns out not to hold the reader's position.
    ///
    /// Fails at once when the store is unavailable or `after` is not a position of the room's log. Once it runs, an
    /// unavailable store only delays it.
    pub async fn follow(
        &self,
        state: &RoomState,
        after: Position,
    ) -> Result<impl Stream<Item = Result<Arc<Event>, StoreError>> + Send + use<>, StoreError> {
        let room = state.room.id;
        let ends = tokio::time::Instant::now() + state.room.remaining(state.now);
        let mut watch = Watch::begin(self, room).await?;
        let mut first_page = Some(Page::of(self.store.read_log(room, after, LOG_PAGE).await?, LOG_PAGE));
        let (store, stop) = (Arc::clone(&self.store), self.stop.clone());
        Ok(stream! {
            let mut position = after;
            let end_of_room = tokio::time::sleep_until(ends);
            let stopped = stop.cancelled();
            tokio::pin!(end_of_room, stopped);
            loop {
                // Catch up from the log.
                let mut limit = LOG_PAGE;
                loop {
                    let page = match first_page.take() {
                        Some(page) => page,
                        None => match read_patiently(&store, room, position, limit, &stop).await {
                            Ok(page) => page,
                            Err(End::Completed) => return,
                            Err(End::Failed(error)) => {
                                yield Err(error);
                                return;
                            }
                        },
                    };
                    let next = page.next;
                    for event in page.events {
                        position = event.position;
                        yield Ok(Arc::new(event));
                    }
                    match next {
                        Some(next) => limit = next,
                        None => break,
                    }
                }
                // Live, as long as nothing is doubtful. What was announced comes before the end of the room.
                loop {
                    let announcement = tokio::select! {
                        biased;
                        announcement = watch.live.recv() => announcement,
                        () = &mut end_of_room => return,
                        () = &mut stopped => return,
                    };
                    match announcement {
                        Ok(Announcement::Event(event)) if event.position.seq == position.seq.next() => {
                            position = event.position;
                            yield Ok(event);
                        }
                        Ok(Announcement::Event(event)) if is_known(&event, position) => {}
                        Ok(Announcement::Event(_) | Announcement::Resync) => break,
                        Err(broadcast::error::RecvError::Lagged(_)) => {
                            watch.live = watch.live.resubscribe();
                            break;
                        }
                        Err(broadcast::error::RecvError::Closed) => return,
                    }
                }
            }
        })
    }
}

/// What a reader holds of the log at a time.
struct Page {
    events: Vec<Event>,
    /// How many entries to ask for next; `None` when these were the last.
    next: Option<u32>,
}

impl Page {
    /// Keeps of `events`, up to `limit` of which were asked for, what a reader may hold. What is let go is read again, so
    /// where messages are big, the next page asks for fewer.
    fn of(mut events: Vec<Event>, limit: u32) -> Self {
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
        Self { events, next: (!is_last).then(|| (kept * 2).clamp(1, LOG_PAGE)) }
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

/// Reads the next page of the log, however long the store takes to come back.
async fn read_patiently(
    store: &Arc<dyn Store>,
    room: RoomId,
    after: Position,
    limit: u32,
    stop: &CancellationToken,
) -> Result<Page, End> {
    let mut pause = RETRY.0;
    loop {
        match store.read_log(room, after, limit).await {
            Ok(events) => return Ok(Page::of(events, limit)),
            Err(StoreError::NotFound) => return Err(End::Completed),
            Err(StoreError::Unavailable(_)) => {
                tokio::select! {
                    () = tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                    () = stop.cancelled() => return Err(End::Completed),
                }
                pause = (pause * 2).min(RETRY.1);
            }
            Err(error) => return Err(End::Failed(error)),
        }
    }
}

/// One reader's hold on a room's live broadcast. Letting go of it ends the watch with its last reader.
struct Watch {
    live: broadcast::Receiver<Announcement>,
    room: RoomId,
    rooms: Arc<Rooms>,
    store: Arc<dyn Store>,
}

impl Watch {
    /// Joins the live broadcast of `room`; returns when nothing committed from now on can be missed.
    async fn begin(hub: &Hub, room: RoomId) -> Result<Self, StoreError> {
        let (watch, joined) = {
            let mut rooms = lock(&hub.rooms);
            let watched =
                rooms.entry(room).or_insert_with(|| Watched { live: broadcast::channel(BACKLOG).0, viewers: 0 });
            watched.viewers += 1;
            let live = watched.live.subscribe();
            let watch = Self { live, room, rooms: Arc::clone(&hub.rooms), store: Arc::clone(&hub.store) };
            // Under the lock, so that the store hears of watching and unwatching in the order in which they happen.
            (watch, hub.store.watch(room))
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
                self.store.unwatch(self.room);
            }
        }
    }
}

/// A panic under the lock leaves a map that is still right.
fn lock(rooms: &Rooms) -> MutexGuard<'_, HashMap<RoomId, Watched>> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands every announcement to the readers of its room.
async fn distribute(mut feed: Feed, rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        let announcement = tokio::select! {
            announcement = feed.next() => announcement,
            () = stop.cancelled() => return,
        };
        let rooms = lock(&rooms);
        // A send fails only when the last reader is just leaving.
        match announcement {
            Some(Announcement::Event(event)) => {
                if let Some(watched) = rooms.get(&event.room()) {
                    let _ = watched.live.send(Announcement::Event(event));
                }
            }
            Some(Announcement::Resync) => {
                for watched in rooms.values() {
                    let _ = watched.live.send(Announcement::Resync);
                }
            }
            None => return,
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
