//! Users that `authenticate` registered and that have not been authenticated since. `forget_new_user` forgets only these.
//!
//! Kept in memory only. A user that is missing here is not forgotten, which is the safe side. `send`, which registers most
//! users, does not need this, because it authenticates and commits in one transaction.

use std::collections::HashMap;

use crate::domain::token::TokenHash;
use crate::domain::user::UserId;

/// Maximum number of entries; beyond that, all are dropped.
const CAPACITY: usize = 4_096;

/// New users, each with the token that it was registered with.
#[derive(Default)]
pub(super) struct NewUsers(HashMap<UserId, TokenHash>);

impl NewUsers {
    pub(super) fn insert(&mut self, user: UserId, token: TokenHash) {
        if self.0.len() >= CAPACITY {
            self.0.clear();
        }
        self.0.insert(user, token);
    }

    /// Removes a user that was authenticated or forgotten.
    pub(super) fn remove(&mut self, user: &UserId) {
        // The map is nearly always empty; then the user need not be hashed.
        if !self.0.is_empty() {
            self.0.remove(user);
        }
    }

    /// Whether the user was registered with this token and has not been authenticated since.
    pub(super) fn contains(&self, user: &UserId, token: TokenHash) -> bool {
        self.0.get(user) == Some(&token)
    }

    /// Removes all entries, because a transaction was rolled back.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
