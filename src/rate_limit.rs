//! Rate limits per process: how often a client may create rooms, subscribe and read, and the rates of sends by a client, by a
//! user and to a room.
//!
//! Lockouts after wrong room codes and tokens are in [`access`](crate::access). Limits on what is held at once are in
//! [`client_limit`](crate::client_limit).

mod rate_parser;
mod token_buckets;

use std::time::Duration;

use crate::domain::client_key::ClientKey;
use crate::domain::room::RoomId;
use crate::metrics::Counters;
use crate::rate_limit::token_buckets::TokenBuckets;

pub use crate::rate_limit::rate_parser::{InvalidRate, Rate};

/// Settings of [`RateLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// If false, nothing is limited.
    pub enabled: bool,
    pub rooms_per_address: Rate,
    pub sends_per_user: Rate,
    pub sends_per_client: Rate,
    pub sends_per_room: Rate,
    pub subscriptions_per_address: Rate,
    /// In units of cost.
    pub reads_per_client: Rate,
}

/// An action that can come too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Creating a room, limited by client.
    CreateRoom,
    /// Sending, editing or deleting a message, limited by user and client, so that others cannot use up a user's rate.
    SendAsUser,
    /// The same, limited by client: one client can make up many users.
    SendAsClient,
    /// The same, limited by room.
    SendToRoom,
    /// Telling that a user is typing, limited by user, client and room at the rates of sends, but counted separately.
    Type,
    /// Opening a subscription, limited by client.
    Subscribe,
    /// Reading, limited by client in units of cost.
    Read,
}

impl Action {
    const ALL: [Self; 7] = [
        Self::CreateRoom,
        Self::SendAsUser,
        Self::SendAsClient,
        Self::SendToRoom,
        Self::Type,
        Self::Subscribe,
        Self::Read,
    ];

    /// The value of the metric's label `action`.
    const fn label(self) -> &'static str {
        match self {
            Self::CreateRoom => "create_room",
            Self::SendAsUser => "send_as_user",
            Self::SendAsClient => "send_as_client",
            Self::SendToRoom => "send_to_room",
            Self::Type => "type",
            Self::Subscribe => "subscribe",
            Self::Read => "read",
        }
    }

    /// The error message for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::CreateRoom => "too many rooms were created from this address; wait a little",
            Self::SendAsUser => "this user sends too fast; wait a little",
            Self::SendAsClient => "too much is sent from this address; wait a little",
            Self::SendToRoom => "too much is sent to this room; wait a little",
            Self::Type => "setTyping comes too often; once every few seconds is enough",
            Self::Subscribe => "too many subscriptions were opened from this address; wait a little",
            Self::Read => "too much is read from this address; wait a little, or ask for less at once",
        }
    }
}

/// An action came too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    pub action: Action,
    pub retry_after: Duration,
}

/// Refuses actions that come too often. Each check that succeeds takes tokens from a bucket.
pub struct RateLimiter {
    rooms: TokenBuckets,
    sends_by_user: TokenBuckets,
    sends_by_client: TokenBuckets,
    sends_by_room: TokenBuckets,
    typing_by_user: TokenBuckets,
    typing_by_client: TokenBuckets,
    typing_by_room: TokenBuckets,
    subscriptions: TokenBuckets,
    reads: TokenBuckets,
    refusals: Counters<1>,
}

impl RateLimiter {
    /// Counts refusals in `refusals`, by action.
    pub fn new(settings: Settings, refusals: Counters<1>) -> Self {
        for action in Action::ALL {
            let _ = refusals.get_or_create(&[("action", action.label())]);
        }
        let buckets = |rate| TokenBuckets::new(Some(rate).filter(|_| settings.enabled));
        Self {
            rooms: buckets(settings.rooms_per_address),
            sends_by_user: buckets(settings.sends_per_user),
            sends_by_client: buckets(settings.sends_per_client),
            sends_by_room: buckets(settings.sends_per_room),
            typing_by_user: buckets(settings.sends_per_user),
            typing_by_client: buckets(settings.sends_per_client),
            typing_by_room: buckets(settings.sends_per_room),
            subscriptions: buckets(settings.subscriptions_per_address),
            reads: buckets(settings.reads_per_client),
            refusals,
        }
    }

    /// Checks the creation of a room.
    pub fn check_create_room(&self, client: ClientKey) -> Result<(), RateLimited> {
        self.rooms.take(client).map_err(self.refusal(Action::CreateRoom))
    }

    /// Checks the sending, editing or deleting of a message. `user` is the id as the client wrote it, or empty for a new user.
    pub fn check_send(&self, client: ClientKey, user: &str, room: RoomId) -> Result<(), RateLimited> {
        // Check the narrowest limit first: its refusal takes nothing from the buckets that more people share.
        self.sends_by_user.take((client, user)).map_err(self.refusal(Action::SendAsUser))?;
        self.sends_by_client.take(client).map_err(self.refusal(Action::SendAsClient))?;
        self.sends_by_room.take(room).map_err(self.refusal(Action::SendToRoom))
    }

    /// Checks telling that a user is typing. Takes nothing from the user's sends.
    pub fn check_typing(&self, client: ClientKey, user: &str, room: RoomId) -> Result<(), RateLimited> {
        let taken = self.typing_by_user.take((client, user)).and_then(|()| self.typing_by_client.take(client));
        taken.and_then(|()| self.typing_by_room.take(room)).map_err(self.refusal(Action::Type))
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
