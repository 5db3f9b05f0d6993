//! Who may enter a room and act in it: room codes, wrong tokens, and the lockouts after too many of either.
//!
//! How often a client may act once it is in is limited by [`rate_limit`](crate::rate_limit). Failures are counted by the
//! store, for all nodes together. docs/security.md has the arithmetic.

mod client_queues;
mod known_clients;
mod lockout_cache;
mod room_codes;
mod subjects;
mod wrong_tokens;

use std::sync::Arc;
use std::time::Duration;

use crate::access::room_codes::RoomCodes;
use crate::access::wrong_tokens::WrongTokens;
use crate::detached_tasks::DetachedTasks;
use crate::domain::client_key::{ClientKey, NetworkPrefixes};
use crate::domain::room::{Room, RoomId};
use crate::metrics::Counters;
use crate::store::{LockoutPolicy, Store, StoreError};

/// Settings of [`Access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without lockouts, codes and tokens are still checked, but failures are not counted.
    pub lockouts_enabled: bool,
    pub wrong_codes_per_address: LockoutPolicy,
    pub wrong_codes_per_network: LockoutPolicy,
    /// The wider network of a client, in which wrong codes are counted together.
    pub network_prefixes: NetworkPrefixes,
    /// Wrong codes for one room, by all strangers together, after which each address block has one attempt left. After ten
    /// times as many, strangers have none.
    pub wrong_codes_per_room: u32,
    pub wrong_tokens_per_user: LockoutPolicy,
}

/// Why an attempt was refused without looking at the code, or in place of "wrong token".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutReason {
    /// Too many requests of this client wait for their room codes to be checked.
    QueueFull,
    /// Too many wrong room codes, counted by address, by network and by room.
    WrongCodes,
    /// Too many wrong tokens, counted by user and address.
    WrongTokens,
}

impl LockoutReason {
    const ALL: [Self; 3] = [Self::QueueFull, Self::WrongCodes, Self::WrongTokens];

    /// The value of the metric's label `action`.
    const fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "enter_room",
            Self::WrongCodes => "wrong_code",
            Self::WrongTokens => "wrong_token",
        }
    }

    /// The error message for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::QueueFull => "too many room codes from this address wait to be checked; wait a little",
            Self::WrongCodes => "too many wrong room codes; no code is checked for a while",
            Self::WrongTokens => "too many wrong tokens for this user; use the token of the user's last answer",
        }
    }
}

/// A refusal that ends after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedOut {
    pub reason: LockoutReason,
    pub retry_after: Duration,
}

/// Why a client may not enter a room.
#[derive(Debug)]
pub enum Denied {
    WrongCode,
    LockedOut(LockedOut),
    Store(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Checks room codes and counts wrong tokens.
pub struct Access {
    /// `None` when lockouts are disabled; so is `wrong_tokens`.
    room_codes: Option<Arc<RoomCodes>>,
    wrong_tokens: Option<WrongTokens>,
    refusals: Counters<1>,
}

impl Access {
    /// Checks codes as a detached task, so that an attempt is completed when its client disconnects. Counts refusals in
    /// `refusals`, by action.
    pub fn new(
        store: &Arc<dyn Store>,
        settings: Settings,
        detached_tasks: DetachedTasks,
        refusals: Counters<1>,
    ) -> Self {
        for reason in LockoutReason::ALL {
            let _ = refusals.get_or_create(&[("action", reason.label())]);
        }
        let enabled = settings.lockouts_enabled;
        let room_codes = enabled.then(|| Arc::new(RoomCodes::new(Arc::clone(store), &settings, detached_tasks)));
        let wrong_tokens =
            enabled.then(|| WrongTokens::new(Arc::<dyn Store>::clone(store), settings.wrong_tokens_per_user));
        Self { room_codes, wrong_tokens, refusals }
    }

    /// Refuses a client that is locked out of a room whatever code it brings, as far as this process knows. Does not ask the
    /// store, so it costs nothing to call first.
    pub fn check_lockout(&self, client: ClientKey, room: RoomId) -> Result<(), LockedOut> {
        let remaining = self.room_codes.as_ref().and_then(|codes| codes.remaining_lockout(client, room));
        remaining
            .map_or(Ok(()), |retry_after| Err(self.count(LockedOut { reason: LockoutReason::WrongCodes, retry_after })))
    }

    /// Opens a room with a code, unless the client is locked out.
    pub async fn open_room(&self, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        let Some(room_codes) = &self.room_codes else {
            return if room.code.matches(code) { Ok(()) } else { Err(Denied::WrongCode) };
        };
        room_codes.open_room(client, room, code).await.map_err(|denied| match denied {
            Denied::LockedOut(locked_out) => Denied::LockedOut(self.count(locked_out)),
            denied => denied,
        })
    }

    /// Makes the creator of a room known to it.
    pub async fn trust_creator(&self, client: ClientKey, room: RoomId) -> Result<(), StoreError> {
        match &self.room_codes {
            Some(room_codes) => room_codes.trust_creator(client, room).await,
            None => Ok(()),
        }
    }

    /// Counts a wrong token. Returns the lockout to report in place of "wrong token", if there were too many.
    ///
    /// The right token is accepted even then, so nobody can lock a user out. That is safe: nobody guesses 128 bits, and the
    /// cost of attempts is bounded by the rate of sends.
    pub async fn record_wrong_token(&self, client: ClientKey, user: &str) -> Result<Option<LockedOut>, StoreError> {
        let Some(wrong_tokens) = &self.wrong_tokens else { return Ok(None) };
        let remaining = wrong_tokens.record(client, user).await?;
        Ok(remaining.map(|retry_after| self.count(LockedOut { reason: LockoutReason::WrongTokens, retry_after })))
    }

    fn count(&self, locked_out: LockedOut) -> LockedOut {
        self.refusals.get_or_create(&[("action", locked_out.reason.label())]).inc();
        locked_out
    }
}
