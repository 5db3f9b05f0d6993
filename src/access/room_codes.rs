//! Compares room codes, and protects them against guessing.
//!
//! A client that has opened a room is *known* to it, and its later attempts cost no call of the store. Any other client is
//! a *stranger*: the store counts its code as wrong, for all nodes together, before the code is checked, and the failure is
//! undone when the code is right. An attempt that was counted is completed even if its client disconnects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use subtle::ConstantTimeEq as _;

use crate::access::client_queues::ClientQueues;
use crate::access::denied::{Denied, LockedOut, LockoutReason};
use crate::access::known_clients::KnownClients;
use crate::access::lockout_cache::LockoutCache;
use crate::access::settings::Settings;
use crate::access::subjects;
use crate::client_limit::without_permit;
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::client_key::{ClientKey, NetworkPrefixes};
use crate::domain::room::{Room, RoomId};
use crate::store::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureOutcome, FailureRecord, LockoutPolicy, Store, StoreError,
    Subject,
};

/// Wrong codes after which strangers have no attempt left, as a multiple of those that leave each address block one attempt.
const TOTAL_FACTOR: u32 = 10;

/// When a client may retry after its queue was full. The queue moves on within a few calls of the store.
const QUEUE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether `code` is the code of `room`. Compares in constant time.
pub(super) fn is_right(room: &Room, code: &str) -> bool {
    room.code.reveal().as_bytes().ct_eq(code.as_bytes()).into()
}

pub(super) struct RoomCodes {
    store: Arc<dyn Store>,
    client_policy: LockoutPolicy,
    network_policy: LockoutPolicy,
    known_client_policy: LockoutPolicy,
    room_limits: AttemptLimits,
    network_prefixes: NetworkPrefixes,
    known_clients: KnownClients,
    /// Lockouts of subjects, and of strangers at rooms.
    lockouts: LockoutCache,
    /// Attempts of strangers run one at a time per client. Otherwise many right codes at once would count as that many
    /// failures.
    queues: ClientQueues,
    detached_tasks: DetachedTasks,
}

/// The result of recording a stranger's failure.
enum Recorded {
    /// Counted, for each of these subjects.
    Failures(Vec<(Subject, FailureRecord)>),
    /// Not counted: the client, or its network, is locked out.
    LockedOut(Duration),
}

impl RoomCodes {
    pub(super) fn new(store: Arc<dyn Store>, settings: &Settings, detached_tasks: DetachedTasks) -> Self {
        let (client_policy, per_room) = (settings.wrong_codes_per_address, settings.wrong_codes_per_room);
        let known_max_failures = client_policy.max_failures.div_ceil(2);
        Self {
            store,
            client_policy,
            network_policy: settings.wrong_codes_per_network,
            known_client_policy: LockoutPolicy { max_failures: known_max_failures, ..client_policy },
            room_limits: AttemptLimits { unrestricted: per_room, total: per_room.saturating_mul(TOTAL_FACTOR) },
            network_prefixes: settings.network_prefixes,
            known_clients: KnownClients::new(),
            lockouts: LockoutCache::new(),
            queues: ClientQueues::new(),
            detached_tasks,
        }
    }

    /// How long a client is locked out of a room, as far as this process knows.
    pub(super) fn remaining_lockout(&self, client: ClientKey, room: RoomId) -> Option<Duration> {
        match self.known_clients.get(client, room) {
            Some(known) => known.remaining_lockout(),
            None => self.lockouts.remaining((client, room)),
        }
    }

    pub(super) async fn open_room(self: &Arc<Self>, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        if let Some(opened) = self.open_from_cache(client, room, code) {
            return opened;
        }
        let turn = self.queues.wait_for_turn(client).map_err(|_| queue_full())?;
        let turn = without_permit(turn).await.map_err(|_| queue_full())?;
        // The attempt before this one may have made the client known, or locked it out.
        if let Some(opened) = self.open_from_cache(client, room, code) {
            return opened;
        }
        let (codes, room, code) = (Arc::clone(self), room.clone(), code.to_owned());
        let opened = self.detached_tasks.run(async move {
            let _turn = turn;
            codes.open_as_stranger(client, &room, &code).await
        });
        opened.await.unwrap_or_else(|interrupted| {
            Err(Denied::Store(match interrupted {
                Interrupted::Panicked => StoreError::Corrupt(interrupted.into()),
                Interrupted::Overloaded | Interrupted::TimedOut => StoreError::Unavailable(interrupted.into()),
            }))
        })
    }

    /// Marks the creator of a room as a client that the room knows.
    pub(super) async fn trust_creator(&self, client: ClientKey, room: RoomId) -> Result<(), StoreError> {
        if client != ClientKey::Unknown {
            self.store.trust_client(room, subjects::attempting_client(client, self.network_prefixes), false).await?;
            self.known_clients.insert(client, room);
        }
        Ok(())
    }

    /// `None` if only the store can tell.
    fn open_from_cache(&self, client: ClientKey, room: &Room, code: &str) -> Option<Result<(), Denied>> {
        if let Some(known) = self.known_clients.get(client, room.id) {
            return Some(known.check(|| is_right(room, code), self.known_client_policy));
        }
        self.lockouts.remaining((client, room.id)).map(|remaining| Err(locked_out(remaining)))
    }

    /// Counts a failure, checks the code, and undoes the failure if the code is right. Must run to its end.
    async fn open_as_stranger(&self, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        let started = Instant::now();
        let recorded = self.record_failures(client, started).await?;
        let attempting = subjects::attempting_client(client, self.network_prefixes);
        // A locked-out client may still be known to the room: another node may have admitted it, or this one has forgotten it.
        let limits = matches!(recorded, Recorded::Failures(_)).then_some(self.room_limits);
        let opened = match self.store.begin_code_attempt(room.id, attempting, limits).await {
            Ok(CodeAttempt::Known) => {
                self.known_clients.insert(client, room.id).check(|| is_right(room, code), self.known_client_policy)
            }
            Ok(CodeAttempt::Counted) if is_right(room, code) => {
                let trust = self.store.trust_client(room.id, trusted(client, attempting), true);
                // Run both even if one fails: a right code must not stay counted as wrong.
                let (trusted, undone) = future::join(trust, self.undo_failures(&recorded)).await;
                trusted.and(undone)?;
                if client != ClientKey::Unknown {
                    self.known_clients.insert(client, room.id);
                }
                return Ok(());
            }
            Ok(CodeAttempt::Counted) => return Err(Denied::WrongCode),
            Ok(CodeAttempt::Closed(until_room_ends)) => {
                let remaining = match recorded {
                    Recorded::Failures(_) => until_room_ends,
                    Recorded::LockedOut(remaining) => remaining.min(until_room_ends),
                };
                self.lockouts.remember((client, room.id), started, remaining);
                Err(locked_out(remaining))
            }
            Err(error) => {
                // Best effort: the store has just failed.
                let _ = self.undo_failures(&recorded).await;
                return Err(error.into());
            }
        };
        self.undo_failures(&recorded).await?;
        opened
    }

    /// Records a failure for the client and for the network around it, or for neither.
    async fn record_failures(&self, client: ClientKey, started: Instant) -> Result<Recorded, StoreError> {
        let itself = Some((subjects::of_client(client), self.client_policy));
        let network = subjects::of_network(client, self.network_prefixes).map(|network| (network, self.network_policy));
        let subjects = itself.into_iter().chain(network);
        let cached = subjects.clone().filter_map(|(subject, _)| self.lockouts.remaining(subject));
        if let Some(remaining) = cached.max() {
            return Ok(Recorded::LockedOut(remaining));
        }
        let mut failures = Vec::with_capacity(2);
        for (subject, policy) in subjects {
            match self.store.record_failure(subject, policy).await {
                Ok(FailureOutcome::Counted(record)) => failures.push((subject, record)),
                Ok(FailureOutcome::LockedOut(remaining)) => {
                    self.undo_failures(&Recorded::Failures(failures)).await?;
                    self.lockouts.remember(subject, started, remaining);
                    return Ok(Recorded::LockedOut(remaining));
                }
                Err(error) => {
                    let _ = self.undo_failures(&Recorded::Failures(failures)).await;
                    return Err(error);
                }
            }
        }
        Ok(Recorded::Failures(failures))
    }

    /// Undoes failures that were counted in advance, and the lockouts that they began.
    async fn undo_failures(&self, recorded: &Recorded) -> Result<(), StoreError> {
        let Recorded::Failures(failures) = recorded else { return Ok(()) };
        let undone = failures.iter().map(|(subject, record)| self.store.undo_failure(*subject, *record));
        let undone = future::join_all(undone).await;
        failures.iter().for_each(|(subject, _)| self.lockouts.forget(*subject));
        undone.into_iter().collect()
    }
}

/// The client that a room knows after a right code. An unknown client stays a stranger, because the next request like it
/// may come from somebody else.
fn trusted(client: ClientKey, attempting: AttemptingClient) -> AttemptingClient {
    const NOBODY: Subject = Subject([0; 16]);
    match client {
        ClientKey::Unknown => AttemptingClient { subject: NOBODY, ..attempting },
        ClientKey::Network(_) => attempting,
    }
}

fn locked_out(retry_after: Duration) -> Denied {
    Denied::LockedOut(LockedOut { reason: LockoutReason::WrongCodes, retry_after })
}

fn queue_full() -> Denied {
    Denied::LockedOut(LockedOut { reason: LockoutReason::QueueFull, retry_after: QUEUE_RETRY_AFTER })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::room::{RoomCode, RoomSecret};
    use crate::domain::timestamp::Timestamp;
    use crate::domain::token::Token;

    #[test]
    fn only_the_whole_code_is_right() {
        let (code, now) = (RoomCode::from_stored("123456".to_owned()), Timestamp::from_millis(0));
        let room = Room {
            id: RoomId::random(),
            code,
            owner_token: Token::random().hash(),
            secret: RoomSecret::random(),
            created_at: now,
            expires_at: now,
        };
        assert!(is_right(&room, "123456"));
        for code in ["", "12345", "1234567", "123457"] {
            assert!(!is_right(&room, code), "{code}");
        }
    }
}
