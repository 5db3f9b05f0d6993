//! What this node knows about the presence of one room, and what it has told the readers.
//!
//! Readers are told at most once per [`CHANGES_INTERVAL`] how the list differs from the one that they have. So nothing is missed,
//! whatever happened in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::domain::presence::{
    PRESENT_USERS_MAX, PresenceSnapshot, PresenceUpdate, PresenceUpdateKind, PresentUser, Typing,
};
use crate::domain::user::{Role, User, UserId};
use crate::hub::presence::listing::Listing;
use crate::hub::presence::local_users::LocalUsers;
use crate::hub::presence::typing_users::TypingUsers;
use crate::store::{AddressHash, PRESENCE_REPORT_TTL, PresentUsers};

/// The least time between two changes of the list.
pub(super) const CHANGES_INTERVAL: Duration = Duration::from_secs(1);

/// The least time between two changes of who is typing.
pub(super) const TYPING_INTERVAL: Duration = Duration::from_millis(250);

/// Updates that a reader may lag behind.
pub(super) const CAPACITY: usize = 8;

/// How long a banned user is hidden here although another node, or a subscription that is just being opened, still shows it.
const BAN_MEMORY: Duration = PRESENCE_REPORT_TTL;

pub(super) struct State {
    pub(super) local: LocalUsers,
    /// The present users of the other nodes.
    elsewhere: PresentUsers,
    viewers_here: u32,
    viewers_elsewhere: u32,
    typing: TypingUsers,
    /// Users who were banned a moment ago, and when to forget that.
    banned: HashMap<UserId, Instant>,
    pub(super) readers: usize,
    /// What to do next with the store.
    pub(super) pending: Pending,
    published: Published,
    /// `None` once the room has ended or this process is stopping. Dropping the sender ends the readers' streams.
    updates: Option<broadcast::Sender<Arc<PresenceUpdate>>>,
}

/// What to read from the store again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    /// The users of other nodes.
    pub(super) elsewhere: bool,
    /// Whether the users of this node are banned.
    pub(super) bans: bool,
    /// Everything, because announcements may have been lost.
    pub(super) resync: bool,
}

/// What the readers have.
#[derive(Default)]
struct Published {
    listing: Listing,
    viewer_count: u32,
    typing: Vec<User>,
    /// When the list and who is typing were last sent.
    listed_at: Option<Instant>,
    typing_at: Option<Instant>,
    /// The inputs of the list changed since it was sent. For the users of this node, their version tells.
    is_stale: bool,
    local_version: u64,
    typing_is_stale: bool,
    needs_snapshot: bool,
    /// The snapshot for new readers, if one has asked for it.
    snapshot: Option<Arc<PresenceUpdate>>,
}

impl State {
    pub(super) fn new(viewers_here: u32, is_closed: bool) -> Self {
        Self {
            local: LocalUsers::default(),
            elsewhere: PresentUsers::default(),
            viewers_here,
            viewers_elsewhere: 0,
            typing: TypingUsers::default(),
            banned: HashMap::new(),
            readers: 0,
            pending: Pending::default(),
            published: Published { is_stale: true, ..Published::default() },
            updates: (!is_closed).then(|| broadcast::Sender::new(CAPACITY)),
        }
    }

    /// A snapshot, and all updates after it. `None` once the presence has ended.
    pub(super) fn subscribe(&mut self) -> Option<(Arc<PresenceUpdate>, broadcast::Receiver<Arc<PresenceUpdate>>)> {
        let updates = self.updates.as_ref()?;
        let published = &mut self.published;
        let snapshot = published.snapshot.get_or_insert_with(|| {
            new_update(PresenceUpdateKind::Snapshot(PresenceSnapshot {
                viewer_count: published.viewer_count,
                user_count: published.listing.user_count(),
                users: published.listing.users(),
                typing: published.typing.clone(),
            }))
        });
        Some((Arc::clone(snapshot), updates.subscribe()))
    }

    /// Ends the streams of all readers.
    pub(super) fn close(&mut self) {
        self.updates = None;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.updates.is_none()
    }

    /// Whether nobody reads and nobody is present, or the presence has ended.
    pub(super) fn is_idle(&self) -> bool {
        self.is_closed() || (self.readers == 0 && self.local.is_empty())
    }

    /// Adds a subscription of a user from an address. The caller has read before that the user is not banned there.
    pub(super) fn join(&mut self, user: PresentUser, address: Option<AddressHash>) {
        let id = user.user.id.clone();
        self.local.join(user, address);
        if !self.banned.is_empty() {
            // A ban since then was not recorded for this user. It may be one of its address.
            self.local.set_ban(&id, self.banned.get(&id).copied());
            self.pending.bans = true;
        }
    }

    /// Records a message. Its author is no longer typing, and may just have proven to be the owner. Returns whether that is news.
    pub(super) fn record_message(&mut self, author: &User, role: Role) -> bool {
        self.stop_typing(&author.id) | self.local.update(author, role)
    }

    /// Records what the store has said about a user.
    pub(super) fn record_member(&mut self, user: &User, role: Role, banned_until: Option<Instant>) {
        self.local.update(user, role);
        // A ban may have been recorded since the store was asked.
        if banned_until.is_some() || !self.banned.contains_key(&user.id) {
            self.local.set_ban(&user.id, banned_until);
        }
    }

    /// Records a ban, which ends at `until`.
    pub(super) fn record_ban(&mut self, id: &UserId, until: Instant, now: Instant) {
        self.local.set_ban(id, Some(until));
        if self.banned.len() < PRESENT_USERS_MAX {
            self.banned.insert(id.clone(), until.min(now + BAN_MEMORY));
        }
        self.stop_typing(id);
        self.published.is_stale = true;
        // The ban of an unsigned user is also one of its address, so it holds for others, too.
        self.pending.bans |= !id.is_signed();
    }

    /// Records that a ban was lifted.
    pub(super) fn record_unban(&mut self, id: &UserId) {
        self.banned.remove(id);
        self.local.set_ban(id, None);
        self.published.is_stale = true;
        self.pending.bans = true;
    }

    pub(super) fn record_typing(&mut self, typing: &Typing, now: Instant) {
        if !self.banned.contains_key(&typing.user.id) {
            self.typing.record(typing, now);
            self.published.typing_is_stale = true;
        }
    }

    pub(super) fn record_viewers_here(&mut self, viewers: u32) {
        self.published.is_stale |= self.viewers_here != viewers;
        self.viewers_here = viewers;
    }

    pub(super) fn record_elsewhere(&mut self, users: PresentUsers, viewers: u32) {
        self.published.is_stale |= self.elsewhere != users || self.viewers_elsewhere != viewers;
        (self.elsewhere, self.viewers_elsewhere) = (users, viewers);
    }

    /// Makes the next change a new snapshot.
    pub(super) const fn require_snapshot(&mut self) {
        self.published.is_stale = true;
        self.published.needs_snapshot = true;
    }

    /// Lets time pass, and sends what is due to the readers. Returns when to call this again, if nothing happens meanwhile.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Instant> {
        self.local.expire(now);
        let banned = self.banned.len();
        self.banned.retain(|_, until| *until > now);
        self.published.is_stale |= self.banned.len() < banned;
        if self.typing.next_expiry().is_some_and(|expiry| expiry <= now) {
            self.typing.expire(now);
            self.published.typing_is_stale = true;
        }
        let waits = [self.publish_list(now), self.publish_typing(now)];
        let expiries = [self.local.next_expiry(), self.typing.next_expiry(), self.banned.values().min().copied()];
        waits.into_iter().chain(expiries).flatten().min()
    }

    /// Sends the change of the list. Returns when to try again, if it is too early.
    fn publish_list(&mut self, now: Instant) -> Option<Instant> {
        let published = &mut self.published;
        if !published.is_stale && published.local_version == self.local.version() {
            return None;
        }
        // A room without readers waits for nothing, so that the first snapshot shows everything.
        let has_readers = self.updates.as_ref().is_some_and(|updates| updates.receiver_count() > 0);
        let next = published.listed_at.filter(|_| has_readers).map(|at| at + CHANGES_INTERVAL);
        if let Some(next) = next.filter(|next| *next > now) {
            return Some(next);
        }
        published.is_stale = false;
        published.local_version = self.local.version();
        let viewer_count = self.viewers_here.saturating_add(self.viewers_elsewhere);
        let is_hidden = |id: &UserId| self.banned.contains_key(id);
        let listing = Listing::merge(self.local.shown(), &self.elsewhere, is_hidden, &published.listing);
        let needs_snapshot = std::mem::take(&mut published.needs_snapshot);
        if listing == published.listing && viewer_count == published.viewer_count && !needs_snapshot {
            return None;
        }
        let change = listing.change_since(&published.listing, viewer_count);
        (published.listing, published.viewer_count) = (listing, viewer_count);
        (published.listed_at, published.snapshot) = (Some(now), None);
        if needs_snapshot {
            self.send_snapshot()
        } else {
            self.send(PresenceUpdateKind::Changed(change))
        }
        None
    }

    /// Sends who is typing. Returns when to try again, if it is too early.
    fn publish_typing(&mut self, now: Instant) -> Option<Instant> {
        let published = &mut self.published;
        if !published.typing_is_stale {
            return None;
        }
        if let Some(next) = published.typing_at.map(|at| at + TYPING_INTERVAL).filter(|next| *next > now) {
            return Some(next);
        }
        published.typing_is_stale = false;
        if self.typing.users().eq(&published.typing) {
            return None;
        }
        published.typing = self.typing.users().cloned().collect();
        (published.typing_at, published.snapshot) = (Some(now), None);
        let typing = PresenceUpdateKind::Typing(published.typing.clone());
        self.send(typing);
        None
    }

    fn stop_typing(&mut self, id: &UserId) -> bool {
        let has_stopped = self.typing.remove(id);
        self.published.typing_is_stale |= has_stopped;
        has_stopped
    }

    fn send_snapshot(&mut self) {
        if let Some((snapshot, _)) = self.subscribe()
            && let Some(updates) = &self.updates
        {
            let _ = updates.send(snapshot);
        }
    }

    fn send(&self, kind: PresenceUpdateKind) {
        if let Some(updates) = &self.updates {
            // There may be no reader at the moment.
            let _ = updates.send(new_update(kind));
        }
    }
}

fn new_update(kind: PresenceUpdateKind) -> Arc<PresenceUpdate> {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    Arc::new(PresenceUpdate { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), kind })
}
