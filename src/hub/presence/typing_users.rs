//! The users who are typing, on any node.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::presence::{TYPING_DURATION, TYPING_USERS_MAX, Typing};
use crate::domain::user::{User, UserId};

/// At most [`TYPING_USERS_MAX`] users, in the order in which they began. Further ones are not shown.
#[derive(Default)]
pub(super) struct TypingUsers(Vec<(User, Instant)>);

impl TypingUsers {
    /// Shows a user for as long as the announcement says, or no longer.
    pub(super) fn record(&mut self, typing: &Typing, now: Instant) {
        if typing.remaining == Duration::ZERO {
            self.remove(&typing.user.id);
            return;
        }
        let until = now + typing.remaining.min(TYPING_DURATION);
        match self.0.iter().position(|(user, _)| user.id == typing.user.id) {
            Some(known) => self.0[known] = (typing.user.clone(), until),
            None if self.0.len() < TYPING_USERS_MAX => self.0.push((typing.user.clone(), until)),
            None => {}
        }
    }

    /// Returns whether the user was typing.
    pub(super) fn remove(&mut self, id: &UserId) -> bool {
        let before = self.0.len();
        self.0.retain(|(user, _)| user.id != *id);
        self.0.len() < before
    }

    /// Removes users who have not typed for a while.
    pub(super) fn expire(&mut self, now: Instant) {
        self.0.retain(|(_, until)| *until > now);
    }

    /// When to call [`expire`](Self::expire).
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.0.iter().map(|(_, until)| *until).min()
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.0.iter().map(|(user, _)| user)
    }
}
