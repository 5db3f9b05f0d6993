//! The presence of one room on this node, shared by its readers, the hub and its task.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::domain::event::{Event, EventKind};
use crate::domain::presence::Typing;
use crate::domain::room::RoomId;
use crate::hub::presence::local_users::LocalUsers;
use crate::hub::presence::state::State;
use crate::hub::room_end::RoomEnd;
use crate::metrics::Gauge;
use crate::store::Member;

pub(in crate::hub) struct RoomPresence {
    pub(super) room: RoomId,
    ends: RoomEnd,
    state: Mutex<State>,
    /// Fires when there may be something to send to the readers, or to do with the store.
    publish: Notify,
    sync: Notify,
    /// Whether the users of other nodes have been read.
    is_complete: watch::Sender<bool>,
}

impl RoomPresence {
    /// With `is_closed`, the room has ended already. Users of this node are counted in `users_present`.
    pub(in crate::hub) fn new(
        room: RoomId,
        ends: RoomEnd,
        viewers: u32,
        is_closed: bool,
        users_present: &Gauge,
    ) -> Self {
        let mut state = State::new(viewers, is_closed);
        state.local = LocalUsers::counted_in(users_present);
        Self {
            room,
            ends,
            state: Mutex::new(state),
            publish: Notify::new(),
            sync: Notify::new(),
            is_complete: watch::Sender::new(is_closed),
        }
    }

    /// Sends changes to the readers until the presence is closed.
    pub(super) async fn publish(&self) {
        self.wait_until_complete().await;
        loop {
            let changed = self.publish.notified();
            let due = {
                let mut state = self.state.lock();
                if state.is_closed() {
                    return;
                }
                let version = state.local.version();
                let due = state.advance(Instant::now());
                if state.local.version() != version || state.is_idle() {
                    self.sync.notify_one();
                }
                due
            };
            match due {
                Some(due) => drop(tokio::time::timeout_at(due, changed).await),
                None => changed.await,
            }
        }
    }

    /// Whether nobody reads and nobody is present.
    pub(in crate::hub) fn is_idle(&self) -> bool {
        self.state.lock().is_idle()
    }

    /// Ends the streams of all readers: the room has ended, or this process is stopping.
    pub(in crate::hub) fn close(&self) {
        self.change(State::close);
        self.complete();
    }

    /// Waits until the users of other nodes are known.
    pub(super) async fn wait_until_complete(&self) {
        // Cannot fail: this has the sender.
        let _ = self.is_complete.subscribe().wait_for(|is_complete| *is_complete).await;
    }

    pub(super) fn complete(&self) {
        self.is_complete.send_replace(true);
    }

    /// Waits until there may be something to do with the store.
    pub(super) async fn sync_requested(&self) {
        self.sync.notified().await;
    }

    /// Records an event of the room.
    pub(in crate::hub) fn record_event(&self, event: &Event) {
        match &event.kind {
            EventKind::Sent(message) => {
                let is_news = self.lock().record_message(&message.author, message.author_role);
                self.notify_if(is_news);
            }
            EventKind::UserBanned(ban) => {
                let until = self.ends.instant_of(ban.until);
                self.change(|state| state.record_ban(&ban.user.id, until, Instant::now()));
            }
            EventKind::UserUnbanned(user) => self.change(|state| state.record_unban(&user.id)),
            _ => {}
        }
    }

    /// Records that a user is typing, or has stopped.
    pub(in crate::hub) fn record_typing(&self, typing: &Typing) {
        self.lock().record_typing(typing, Instant::now());
        self.publish.notify_one();
    }

    /// Records the number of viewers on this node.
    pub(in crate::hub) fn record_viewers(&self, viewers: u32) {
        self.lock().record_viewers_here(viewers);
        self.publish.notify_one();
    }

    /// Records that the users of other nodes have changed.
    pub(in crate::hub) fn record_change_elsewhere(&self) {
        self.lock().pending.elsewhere = true;
        self.sync.notify_one();
    }

    /// Records that anything may have been missed.
    pub(in crate::hub) fn record_resync(&self) {
        self.lock().pending.resync = true;
        self.sync.notify_one();
    }

    /// Records what the store says about a user.
    pub(in crate::hub) fn record_member(&self, member: &Member) {
        let banned_until = member.banned_until.map(|until| self.ends.instant_of(until));
        self.change(|state| state.record_member(&member.user, member.role, banned_until));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.notify_if(true);
    }

    fn notify_if(&self, has_changed: bool) {
        if has_changed {
            self.publish.notify_one();
            self.sync.notify_one();
        }
    }
}
