//! Users whom `admit` made known and nobody was admitted as since: the only ones that `withdraw` forgets.
//!
//! In memory only. A user who is not remembered here is not withdrawn, which is the safe side; `send`, which makes users known
//! all day, needs none of this, because it admits and commits in one transaction.

use std::collections::HashMap;

use crate::domain::user::{TokenHash, UserId};

/// Users remembered, at most, before all of them are forgotten.
const REMEMBERED: usize = 4_096;

/// New users and the token that each was made known with.
#[derive(Default)]
pub(super) struct Newcomers(HashMap<UserId, TokenHash>);

impl Newcomers {
    pub(super) fn insert(&mut self, user: UserId, token: TokenHash) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(user, token);
    }

    /// Forgets the user, whom somebody was admitted as, or who is withdrawn.
    pub(super) fn remove(&mut self, user: &UserId) {
        // Nearly always nobody is remembered; then the user need not be hashed.
        if !self.0.is_empty() {
            self.0.remove(user);
        }
    }

    /// Whether the user was made known with this token and nobody was admitted as it since.
    pub(super) fn is(&self, user: &UserId, token: TokenHash) -> bool {
        self.0.get(user) == Some(&token)
    }

    /// Forgets everything: the transaction is undone.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}
