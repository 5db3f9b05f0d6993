//! Rate limits per process: how often a client, a user and a room may act.
//!
//! Lockouts after wrong room codes and tokens are in [`access`](crate::access). Limits on what is held at once are in
//! [`client_limit`](crate::client_limit).

mod action;
mod budgets;
mod rate;

use std::time::Duration;

use crate::domain::client_key::ClientKey;
use crate::domain::room::RoomId;
use crate::metrics::Counters;
use crate::rate_limit::budgets::Budgets;

pub use crate::rate_limit::action::Action;
pub use crate::rate_limit::rate::{InvalidRate, Rate};

/// Settings of [`RateLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without it nothing is limited.
    pub enabled: bool,
    pub rooms_per_address: Rate,
    pub sends_per_user: Rate,
    pub sends_per_client: Rate,
    pub sends_per_room: Rate,
    pub subscriptions_per_address: Rate,
    /// In units of cost.
    pub reads_per_client: Rate,
}

/// An action came too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    pub action: Action,
    pub retry_after: Duration,
}

/// Refuses actions that come too often. Each check that succeeds uses up some of a budget.
pub struct RateLimiter {
    rooms: Budgets,
    sends_by_user: Budgets,
    sends_by_client: Budgets,
    sends_by_room: Budgets,
    subscriptions: Budgets,
    reads: Budgets,
    refusals: Counters<1>,
}

impl RateLimiter {
    /// Counts refusals in `refusals`, by action.
    pub fn new(settings: Settings, refusals: Counters<1>) -> Self {
        for action in Action::ALL {
            let _ = refusals.get_or_create(&[("action", action.label())]);
        }
        let budgets = |rate| Budgets::new(Some(rate).filter(|_| settings.enabled));
        Self {
            rooms: budgets(settings.rooms_per_address),
            sends_by_user: budgets(settings.sends_per_user),
            sends_by_client: budgets(settings.sends_per_client),
            sends_by_room: budgets(settings.sends_per_room),
            subscriptions: budgets(settings.subscriptions_per_address),
            reads: budgets(settings.reads_per_client),
            refusals,
        }
    }

    /// Checks the creation of a room.
    pub fn check_create_room(&self, client: ClientKey) -> Result<(), RateLimited> {
        self.rooms.take(client).map_err(self.refusal(Action::CreateRoom))
    }

    /// Checks the sending, editing or deleting of a message. `user` is the id as the client wrote it, or empty for a new user.
    pub fn check_send(&self, client: ClientKey, user: &str, room: RoomId) -> Result<(), RateLimited> {
        // The narrowest budget first: a refusal there uses up nothing of the budgets that more people share.
        self.sends_by_user.take((client, user)).map_err(self.refusal(Action::SendAsUser))?;
        self.sends_by_client.take(client).map_err(self.refusal(Action::SendAsClient))?;
        self.sends_by_room.take(room).map_err(self.refusal(Action::SendToRoom))
    }

    /// Checks the opening of a subscription.
    pub fn check_subscribe(&self, client: ClientKey) -> Result<(), RateLimited> {
        self.subscriptions.take(client).map_err(self.refusal(Action::Subscribe))
    }

    /// Checks a read of this cost.
    pub fn check_read(&self, client: ClientKey, cost: u64) -> Result<(), RateLimited> {
        self.reads.take_many(client, cost).map_err(self.refusal(Action::Read))
    }

    /// Counts a refusal and makes it an error.
    fn refusal(&self, action: Action) -> impl Fn(Duration) -> RateLimited {
        move |retry_after| {
            self.refusals.get_or_create(&[("action", action.label())]).inc();
            RateLimited { action, retry_after }
        }
    }
}
