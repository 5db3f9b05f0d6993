//! One reader of a room's events: first from the log, then live, and from the log again whenever it may have missed one.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use crate::domain::event::{Event, EventKind};
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::hub::broadcast::ReceiveError;
use crate::hub::log_page::LogPage;
use crate::hub::metrics::ReplayReason;
use crate::hub::recent_changes::AsOf;
use crate::hub::watched_room::RoomWatch;
use crate::store::{FeedItem, StoreError};

/// Bounds of the pause before a reader tries an unavailable store again. The pause doubles each time, with jitter.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A room that is gone less than this before its time may have ended by itself: the store's clock and ours differ.
const END_TOLERANCE: Duration = Duration::from_secs(5);

/// A room whose live broadcast was joined, but not read yet.
pub struct JoinedRoom {
    pub(super) watch: RoomWatch,
    /// The changes shown by everything that is read after the room was joined.
    pub(super) as_of: AsOf,
}

/// One reader of a room, made by [`Hub::follow`](crate::hub::Hub::follow) or [`Hub::follow_joined`](crate::hub::Hub::follow_joined).
pub struct Follower {
    watch: RoomWatch,
    position: Position,
    /// The position before the last event.
    previous: Position,
    /// The changes that the last event is known to show.
    as_of: AsOf,
    source: Source,
}

/// Where a reader gets its next event from.
pub(super) enum Source {
    /// This page of the log, and the pages after it.
    Log(LogPage),
    /// The broadcast, as long as nothing can have been missed.
    Live,
    Ended,
}

impl Follower {
    /// Follows the room of `watch` after `position`. `source` shows the changes up to `as_of`.
    pub(super) fn new(watch: RoomWatch, position: Position, as_of: AsOf, source: Source) -> Self {
        Self { watch, position, previous: position, as_of, source }
    }

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
                                self.watch.room.metrics.live.inc();
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
                        match self.advance(event, as_of) {
                            Some(event) => {
                                self.watch.room.metrics.replayed.inc();
                                return Some(Ok(event));
                            }
                            None => self.source = Source::Log(LogPage { replayed, ..LogPage::unread() }),
                        }
                    }
                    (None, None) => {
                        self.watch.room.metrics.record_catch_up(page.replayed);
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
        let event = self.watch.room.changes.update(event, as_of)?;
        self.previous = std::mem::replace(&mut self.position, event.position);
        self.as_of = as_of;
        Some(event)
    }

    /// Ends the stream, and returns its last event.
    fn end_room(&mut self) -> Arc<Event> {
        self.source = Source::Ended;
        let at = self.watch.room.ends.now();
        Arc::new(Event { room: self.room(), position: self.position, at, kind: EventKind::RoomEnded })
    }

    /// Whether the room should still live, so that its owner must have ended it.
    fn ends_too_early(&self) -> bool {
        Instant::now() + END_TOLERANCE < self.watch.room.ends.instant
    }

    /// The room that is followed.
    pub fn room(&self) -> RoomId {
        self.watch.room.id
    }

    /// The last event again, with its message as it is now. `None` if [`next`](Self::next) has to read it from the log first.
    pub fn refresh(&mut self, event: &Arc<Event>) -> Option<Arc<Event>> {
        let updated = self.watch.room.changes.update(Arc::clone(event), self.as_of);
        if updated.is_none() {
            self.position = self.previous;
            self.replay(ReplayReason::Lag);
        }
        updated
    }

    /// Makes the log the source of the next event.
    fn replay(&mut self, reason: ReplayReason) {
        self.watch.room.metrics.record_replay(reason);
        self.source = Source::Log(LogPage::unread());
    }

    /// Reads the next page of the log. Waits for a store that is unavailable.
    async fn read_with_retry(&self, limit: u32) -> Result<LogPage, ReadEnd> {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let as_of = self.watch.room.changes.as_of();
            match self.watch.room.store.read_log(self.room(), self.position, limit).await {
                Ok(events) => return Ok(LogPage::new(events, limit, as_of)),
                Err(StoreError::NotFound) => return Err(ReadEnd::RoomGone),
                Err(StoreError::Unavailable(_)) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))) => {}
                        () = self.watch.room.stop.cancelled() => return Err(ReadEnd::Stopped),
                    }
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
                Err(error) => return Err(ReadEnd::Failed(error)),
            }
        }
    }
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
