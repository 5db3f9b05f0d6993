//! Access to rooms: checks room codes and identities, counts wrong codes and tokens, and locks clients out after too many.
//!
//! [`rate_limit`](crate::rate_limit) limits how often a client may act in a room. The store counts failures, for all nodes
//! together. docs/security.md explains how safe the limits are.

mod client_queues;
mod denied;
pub mod identity;
mod known_clients;
mod lockout_cache;
mod room_codes;
pub mod secrets;
mod settings;
mod subjects;
mod wrong_tokens;

use std::sync::Arc;

use crate::access::identity::{Identities, Identity, IdentityError};
use crate::access::room_codes::RoomCodes;
use crate::access::wrong_tokens::WrongTokens;
use crate::detached_tasks::DetachedTasks;
use crate::domain::client_key::ClientKey;
use crate::domain::limits::Limits;
use crate::domain::room::{Room, RoomId};
use crate::domain::user::UserId;
use crate::metrics::{Counters, Metrics};
use crate::store::{Store, StoreError};

pub use crate::access::denied::{Denied, LockedOut, LockoutReason};
pub use crate::access::settings::Settings;

/// Checks room codes and counts wrong tokens.
pub struct Access {
    /// `None` if lockouts are disabled, like `wrong_tokens`.
    room_codes: Option<Arc<RoomCodes>>,
    wrong_tokens: Option<WrongTokens>,
    identities: Identities,
    refusals: Counters<1>,
}

impl Access {
    /// Codes are checked in `detached_tasks`, so that an attempt is completed even if its client disconnects. Refusals are
    /// counted in `refusals`, by action. Identities are bounded by `limits`, and their rooms are read by `parse_room`.
    pub fn new(
        store: &Arc<dyn Store>,
        settings: Settings,
        limits: Limits,
        parse_room: fn(&str) -> Option<RoomId>,
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
        let identities = Identities::new(settings.identity, limits, parse_room);
        Self { room_codes, wrong_tokens, identities, refusals }
    }

    /// Registers the metrics of identities. Those of lockouts are in `refusals`.
    pub fn register(&self, metrics: &Metrics) {
        self.identities.register(metrics);
    }

    /// Refuses a client that is locked out of a room, as far as this process knows. Does not call the store, so it is a
    /// cheap first check.
    pub fn check_lockout(&self, client: ClientKey, room: RoomId) -> Result<(), LockedOut> {
        let remaining = self.room_codes.as_ref().and_then(|codes| codes.remaining_lockout(client, room));
        remaining
            .map_or(Ok(()), |retry_after| Err(self.count(LockedOut { reason: LockoutReason::WrongCodes, retry_after })))
    }

    /// Opens a room with a code, unless the client is locked out.
    pub async fn open_room(&self, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        let Some(room_codes) = &self.room_codes else {
            return if room_codes::is_right(room, code) { Ok(()) } else { Err(Denied::WrongCode) };
        };
        room_codes.open_room(client, room, code).await.map_err(|denied| match denied {
            Denied::LockedOut(locked_out) => Denied::LockedOut(self.count(locked_out)),
            denied => denied,
        })
    }

    /// Marks the creator of a room as a client that the room knows.
    pub async fn trust_creator(&self, client: ClientKey, room: RoomId) -> Result<(), StoreError> {
        match &self.room_codes {
            Some(room_codes) => room_codes.trust_creator(client, room).await,
            None => Ok(()),
        }
    }

    /// Whether a token is meant as an identity, valid or not.
    pub fn is_identity(&self, token: &str) -> bool {
        self.identities.is_identity(token)
    }

    /// The identity that a user presents as its token; `None` if it presents none. Fails if the identity is not valid in the room,
    /// or if users need one.
    pub fn check_identity(&self, room: &Room, token: Option<&str>) -> Result<Option<Arc<Identity>>, IdentityError> {
        self.check_in_room(self.identities.of_token(token), room)
    }

    /// Checks whether a client may create rooms with this identity, or without one.
    pub fn check_room_creator(&self, identity: Option<&str>) -> Result<(), IdentityError> {
        self.count_refusal(self.identities.check_room_creator(identity))
    }

    /// Whether `token` proves the owner of a room: its owner token, or an identity with the role of its owner. Counts a wrong token,
    /// and fails if there were too many: see [`record_wrong_token`](Self::record_wrong_token). Nobody guesses identities.
    pub async fn check_owner_token(&self, client: ClientKey, room: &Room, token: &str) -> Result<bool, Denied> {
        if let Some(identity) = self.check_in_room(self.identities.of_owner_token(token), room)? {
            return Ok(identity.is_owner_of(room.id));
        }
        if secrets::is_owner_token(room, token) {
            return Ok(true);
        }
        self.record_wrong_secret(client, "owner", room.id).await.map(|()| false)
    }

    /// The user of a presence token; `None` if the token is not valid in this room. Wrong ones are counted like owner tokens.
    pub async fn check_presence_token(
        &self,
        client: ClientKey,
        room: &Room,
        token: &str,
    ) -> Result<Option<UserId>, Denied> {
        match secrets::user_of_presence_token(room, token) {
            Some(user) => Ok(Some(user)),
            None => self.record_wrong_secret(client, "presence", room.id).await.map(|()| None),
        }
    }

    /// Counts a wrong secret of a room. No user has an id with control characters.
    async fn record_wrong_secret(&self, client: ClientKey, kind: &str, room: RoomId) -> Result<(), Denied> {
        match self.record_wrong_token(client, &format!("\0{kind} {room}")).await? {
            Some(locked_out) => Err(Denied::LockedOut(locked_out)),
            None => Ok(()),
        }
    }

    /// Counts a wrong token. Returns the lockout to report in place of "wrong token", if there were too many.
    ///
    /// The right token is accepted even then, so nobody can lock a user out. That is safe: nobody guesses 128 bits, and the
    /// rate of sends limits the attempts.
    pub async fn record_wrong_token(&self, client: ClientKey, user: &str) -> Result<Option<LockedOut>, StoreError> {
        let Some(wrong_tokens) = &self.wrong_tokens else { return Ok(None) };
        let remaining = wrong_tokens.record(client, user).await?;
        Ok(remaining.map(|retry_after| self.count(LockedOut { reason: LockoutReason::WrongTokens, retry_after })))
    }

    /// Checks that an identity, if there is one, is valid in a room. Counts a refusal.
    fn check_in_room(
        &self,
        identity: Result<Option<Arc<Identity>>, IdentityError>,
        room: &Room,
    ) -> Result<Option<Arc<Identity>>, IdentityError> {
        let checked = identity.and_then(|identity| {
            identity.as_ref().map_or(Ok(()), |identity| identity.check_room(room.id))?;
            Ok(identity)
        });
        self.count_refusal(checked)
    }

    fn count_refusal<T>(&self, checked: Result<T, IdentityError>) -> Result<T, IdentityError> {
        checked.inspect_err(|error| self.identities.record_refusal(*error))
    }

    fn count(&self, locked_out: LockedOut) -> LockedOut {
        self.refusals.get_or_create(&[("action", locked_out.reason.label())]).inc();
        locked_out
    }
}
