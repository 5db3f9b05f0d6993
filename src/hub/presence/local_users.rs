//! The users who are present through subscriptions of this node: how often, how long they linger, and whether they are banned.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::presence::{PRESENCE_LINGER, PresentUser};
use crate::domain::user::{Role, User, UserId};
use crate::metrics::{Gauge, GaugeGuard};
use crate::store::AddressHash;

/// How much longer a user stays here than it lingers: if it has come back on another node in the last moment, that node's report
/// arrives first. The report may wait for a second, and so may the read of it; each call of the store has a quarter of a second.
pub(super) const HANDOVER: Duration = Duration::from_millis(2_500);

#[derive(Default)]
pub(super) struct LocalUsers {
    users: BTreeMap<UserId, LocalUser>,
    /// When a user may have lingered long enough, or a ban may have ended. Never later than the first such time.
    next_expiry: Option<Instant>,
    /// Changes whenever another user is shown, or shown differently.
    version: u64,
    present: Gauge,
}

struct LocalUser {
    user: PresentUser,
    /// The address of its latest subscription.
    address: Option<AddressHash>,
    subscriptions: u32,
    /// When it leaves; `None` while it has subscriptions.
    leaves_at: Option<Instant>,
    /// It is not shown before this time.
    banned_until: Option<Instant>,
    _counted: GaugeGuard,
}

impl LocalUser {
    const fn is_shown(&self) -> bool {
        self.banned_until.is_none()
    }
}

impl LocalUsers {
    /// Nobody yet. Each user is counted in `present` for as long as it is here.
    pub(super) fn counted_in(present: &Gauge) -> Self {
        Self { present: present.clone(), ..Self::default() }
    }

    /// Adds a subscription of a user from an address. The user is shown as it is here, and stays an owner.
    pub(super) fn join(&mut self, user: PresentUser, address: Option<AddressHash>) {
        match self.users.entry(user.user.id.clone()) {
            Entry::Vacant(entry) => {
                let counted = GaugeGuard::new(&self.present);
                let known = LocalUser {
                    user,
                    address,
                    subscriptions: 1,
                    leaves_at: None,
                    banned_until: None,
                    _counted: counted,
                };
                entry.insert(known);
                self.version += 1;
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.address = address;
                known.subscriptions += 1;
                known.leaves_at = None;
                self.update(&user.user, user.role);
            }
        }
    }

    /// Ends a subscription of a user. After its last one the user lingers, unless it is banned.
    pub(super) fn leave(&mut self, id: &UserId, now: Instant) {
        let Some(known) = self.users.get_mut(id) else { return };
        known.subscriptions = known.subscriptions.saturating_sub(1);
        if known.subscriptions > 0 {
            return;
        }
        if known.is_shown() {
            let leaves_at = now + PRESENCE_LINGER + HANDOVER;
            known.leaves_at = Some(leaves_at);
            self.expire_by(leaves_at);
        } else {
            self.users.remove(id);
        }
    }

    /// Shows a user, if it is here, with this name and picture. Whoever is an owner stays it. Returns whether that is a change.
    pub(super) fn update(&mut self, user: &User, role: Role) -> bool {
        let Some(known) = self.users.get_mut(&user.id) else { return false };
        let role = if role == Role::Owner { role } else { known.user.role };
        if known.user.role == role && known.user.user == *user {
            return false;
        }
        known.user = PresentUser { user: user.clone(), role };
        self.version += 1;
        true
    }

    /// Hides a user until its ban ends, or shows it if it is not banned. A banned user does not linger.
    pub(super) fn set_ban(&mut self, id: &UserId, until: Option<Instant>) {
        let Some(known) = self.users.get_mut(id) else { return };
        if known.is_shown() != until.is_none() {
            self.version += 1;
        }
        known.banned_until = until;
        if let Some(until) = until {
            if known.subscriptions == 0 {
                self.users.remove(id);
            } else {
                self.expire_by(until);
            }
        }
    }

    /// Removes users who have lingered long enough, and shows those whose ban has ended.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.next_expiry.is_none_or(|next| next > now) {
            return;
        }
        let Self { users, next_expiry, version, .. } = self;
        *next_expiry = None;
        users.retain(|_, known| {
            if known.banned_until.is_some_and(|until| until <= now) {
                known.banned_until = None;
                *version += 1;
            }
            let stays = known.leaves_at.is_none_or(|leaves_at| leaves_at > now);
            if stays {
                let expiry = [known.leaves_at, known.banned_until].into_iter().flatten().min();
                *next_expiry = [*next_expiry, expiry].into_iter().flatten().min();
            } else {
                *version += 1;
            }
            stays
        });
    }

    /// When to call [`expire`](Self::expire).
    pub(super) const fn next_expiry(&self) -> Option<Instant> {
        self.next_expiry
    }

    /// Tells two states of the shown users apart.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// The users to show.
    pub(super) fn shown(&self) -> impl Iterator<Item = &PresentUser> {
        self.users.values().filter(|known| known.is_shown()).map(|known| &known.user)
    }

    /// All users, including banned ones, with their addresses.
    pub(super) fn addresses(&self) -> Vec<(UserId, Option<AddressHash>)> {
        self.users.iter().map(|(id, known)| (id.clone(), known.address)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn expire_by(&mut self, expiry: Instant) {
        self.next_expiry = Some(self.next_expiry.map_or(expiry, |next| next.min(expiry)));
    }
}
