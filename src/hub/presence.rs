//! Who is here and who is typing in a room, over all nodes. [`PresenceReader`] is one subscription.
//!
//! Each node reports its own users to the store and reads those of the other nodes. Readers get a snapshot, then changes, and a new
//! snapshot whenever something may have been missed. Nothing of it is in the log.

mod listing;
mod local_users;
mod room;
mod state;
mod store_sync;
mod typing_users;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::domain::presence::{PresenceUpdate, PresentUser};
use crate::domain::user::UserId;
use crate::hub::metrics::HubMetrics;
use crate::metrics::GaugeGuard;
use crate::store::{AddressHash, Store, StoreError};

pub(super) use crate::hub::presence::room::RoomPresence;

/// Keeps the readers of a room and the other nodes informed, once `subscribed` has completed. Returns when nobody reads and nobody
/// is present, or the presence is closed.
pub(super) async fn run(
    room: &RoomPresence,
    store: &dyn Store,
    subscribed: BoxFuture<'static, Result<(), StoreError>>,
) {
    let sync = async {
        // If it fails, it is completed later, and a resync follows.
        let _ = subscribed.await;
        store_sync::run(room, store).await;
    };
    tokio::select! {
        () = sync => {}
        () = room.publish() => {}
    }
}

/// One reader of a room's presence. Dropping it ends the subscription.
pub struct PresenceReader {
    room: Arc<RoomPresence>,
    metrics: Arc<HubMetrics>,
    _open: GaugeGuard,
    /// The user that this subscription shows to the others.
    shown: Option<UserId>,
    /// `None` before the first snapshot, and when updates were lost.
    updates: Option<broadcast::Receiver<Arc<PresenceUpdate>>>,
}

impl PresenceReader {
    /// Adds a reader. The caller holds the lock of the rooms, so that a room with readers keeps its presence.
    pub(super) fn new(room: &Arc<RoomPresence>, metrics: &Arc<HubMetrics>) -> Self {
        room.lock().readers += 1;
        let (room, metrics, open) = (Arc::clone(room), Arc::clone(metrics), GaugeGuard::new(&metrics.presence_readers));
        Self { room, metrics, _open: open, shown: None, updates: None }
    }

    /// Waits until the users of other nodes are known.
    pub(super) async fn wait_until_complete(&self) {
        self.room.wait_until_complete().await;
    }

    /// Shows a user to the others for as long as this subscription, which comes from `address`, lives, and a little longer. A ban of
    /// the address hides it.
    pub fn show(&mut self, user: PresentUser, address: Option<AddressHash>) {
        let earlier = self.shown.replace(user.user.id.clone());
        self.room.change(|state| {
            let now = Instant::now();
            if let Some(earlier) = earlier {
                state.local.leave(&earlier, now);
            }
            state.join(user, address);
            // The first snapshot shows the user, unless another change was sent a moment ago.
            state.advance(now);
        });
    }

    /// The next update; the first is a snapshot. `None` once the room has ended or this process is stopping. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Option<Arc<PresenceUpdate>> {
        loop {
            let Some(updates) = &mut self.updates else {
                let (snapshot, updates) = self.room.lock().subscribe()?;
                self.updates = Some(updates);
                self.metrics.record_presence_update(&snapshot.kind);
                return Some(snapshot);
            };
            match updates.recv().await {
                Ok(update) => {
                    self.metrics.record_presence_update(&update.kind);
                    return Some(update);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.updates = None,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for PresenceReader {
    fn drop(&mut self) {
        let shown = self.shown.take();
        self.room.change(|state| {
            state.readers -= 1;
            if let Some(user) = shown {
                state.local.leave(&user, Instant::now());
            }
        });
    }
}

#[cfg(test)]
mod tests;
