//! A room that is watched on this node, what its readers share, and the handle of each reader that keeps it watched.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::room::RoomId;
use crate::hub::broadcast::{Receiver, Sender};
use crate::hub::metrics::HubMetrics;
use crate::hub::presence::RoomPresence;
use crate::hub::reaction_log::ReactionLog;
use crate::hub::recent_changes::RecentChanges;
use crate::hub::room_end::RoomEnd;
use crate::store::{FeedItem, Store, StoreError};

/// The rooms that have readers. Sending under the lock keeps the order of a room's events. It is never held across an await.
pub(super) type WatchedRooms = Mutex<HashMap<RoomId, WatchedRoom>>;

pub(super) struct WatchedRoom {
    /// `None` once the room has ended or this process is stopping. Dropping the sender ends the readers' streams.
    pub(super) live: Option<Sender<FeedItem>>,
    pub(super) viewers: u32,
    pub(super) shared: Arc<SharedRoom>,
    pub(super) reaction_log: ReactionLog,
    /// Who is here. `None` if nobody has asked lately.
    pub(super) presence: Option<Arc<RoomPresence>>,
    /// Closes the room when it ends.
    pub(super) _end: AbortOnDropHandle<()>,
}

/// What all readers of a room share. There are many readers, so each holds only a reference to this.
pub(super) struct SharedRoom {
    pub(super) id: RoomId,
    pub(super) ends: RoomEnd,
    pub(super) changes: RecentChanges,
    pub(super) rooms: Arc<WatchedRooms>,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<HubMetrics>,
    /// Cancelled when this process is stopping.
    pub(super) stop: CancellationToken,
}

impl WatchedRoom {
    pub(super) fn send(&self, item: FeedItem) {
        match &item {
            FeedItem::Event(event) => self.shared.changes.record(event),
            FeedItem::Resync | FeedItem::ResyncOf(_) => self.shared.changes.forget(),
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
    pub(super) fn end(&mut self) {
        if let Some(live) = &self.live {
            live.send(FeedItem::Ended(self.shared.id));
        }
        self.close();
    }

    /// Ends the streams of all readers.
    pub(super) fn close(&mut self) {
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

    pub(super) const fn is_watched(&self) -> bool {
        self.viewers > 0 || self.presence.is_some()
    }

    /// Adds a viewer, and requests a subscription from the store. The caller holds the lock of the rooms, so the store gets
    /// subscriptions and unsubscriptions in the order in which they happen.
    pub(super) fn join(&mut self) -> (RoomWatch, BoxFuture<'static, Result<(), StoreError>>) {
        self.set_viewers(self.viewers + 1);
        let room = &self.shared;
        room.metrics.viewers.inc();
        let subscribed = room.store.subscribe(room.id);
        (RoomWatch { live: self.subscribe(), room: Arc::clone(room) }, subscribed)
    }

    /// Receives what is sent from now on.
    fn subscribe(&self) -> Receiver<FeedItem> {
        match &self.live {
            Some(live) => live.subscribe(),
            None => Sender::new().subscribe(),
        }
    }
}

/// One reader's share of a room's live broadcast. The room is no longer watched when its last reader drops this.
pub(super) struct RoomWatch {
    pub(super) live: Receiver<FeedItem>,
    pub(super) room: Arc<SharedRoom>,
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        let SharedRoom { id, rooms, store, metrics, .. } = &*self.room;
        let mut rooms = rooms.lock();
        if let Entry::Occupied(mut watched) = rooms.entry(*id) {
            let viewers = watched.get().viewers - 1;
            watched.get_mut().set_viewers(viewers);
            if !watched.get().is_watched() {
                watched.remove();
                store.unsubscribe(*id);
            }
        }
        metrics.viewers.dec();
        metrics.rooms.set(rooms.len() as i64);
    }
}
