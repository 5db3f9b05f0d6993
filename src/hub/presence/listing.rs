//! The list of present users that readers have, over all nodes, and how it changes.

use std::collections::BTreeMap;

use crate::domain::presence::{PRESENT_USERS_MAX, PresenceChange, PresentUser};
use crate::domain::user::{Role, UserId};
use crate::store::PresentUsers;

/// At most [`PRESENT_USERS_MAX`] users, and the number of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    users: BTreeMap<UserId, PresentUser>,
    user_count: u64,
}

impl Listing {
    /// Merges the users of this node with those of the others. Each counts once, and is an owner if it is one anywhere. If there are
    /// too many, those who were in the `previous` list stay in it.
    pub(super) fn merge<'a>(
        here: impl Iterator<Item = &'a PresentUser>,
        elsewhere: &'a PresentUsers,
        is_hidden: impl Fn(&UserId) -> bool,
        previous: &Self,
    ) -> Self {
        let mut users: BTreeMap<_, _> = here.map(|user| (&user.user.id, (user, user.role))).collect();
        // The store lists as many as we do. It counts further ones, none of whom is here.
        let unlisted = elsewhere.total.saturating_sub(elsewhere.users.len() as u64);
        for user in elsewhere.users.iter().filter(|user| !is_hidden(&user.user.id)) {
            let (_, role) = users.entry(&user.user.id).or_insert((user, user.role));
            if user.role == Role::Owner {
                *role = user.role;
            }
        }
        let user_count = users.len() as u64 + unlisted;
        if users.len() > PRESENT_USERS_MAX {
            let listed = users.keys().filter(|id| previous.users.contains_key(**id)).count();
            let mut vacancies = PRESENT_USERS_MAX.saturating_sub(listed);
            users.retain(|id, _| {
                let is_new = !previous.users.contains_key(*id);
                let stays = !is_new || vacancies > 0;
                vacancies -= usize::from(is_new && stays);
                stays
            });
        }
        let users = users.into_iter();
        let users = users.map(|(id, (user, role))| (id.clone(), PresentUser { user: user.user.clone(), role }));
        let users = users.collect();
        Self { users, user_count }
    }

    /// The change that leads here from another list.
    pub(super) fn change_since(&self, previous: &Self, viewer_count: u32) -> PresenceChange {
        let joined = self.users.iter().filter(|(id, user)| previous.users.get(*id) != Some(*user));
        let left = previous.users.iter().filter(|(id, _)| !self.users.contains_key(*id));
        PresenceChange {
            viewer_count,
            user_count: self.user_count,
            joined: joined.map(|(_, user)| user.clone()).collect(),
            left: left.map(|(_, user)| user.user.clone()).collect(),
        }
    }

    pub(super) fn users(&self) -> Vec<PresentUser> {
        self.users.values().cloned().collect()
    }

    pub(super) const fn user_count(&self) -> u64 {
        self.user_count
    }
}
