//! Who may try a room code. docs/security.md has the arithmetic.
//!
//! A client that has opened a room is *known* to it and costs nothing more. A stranger's code is counted as wrong by the
//! store, over all nodes, before it is looked at, and taken back when it is right. Once counted, it is looked at and taken
//! back whether or not somebody still waits for the answer.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::client_limit::without_permit;
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::client_key::{ClientKey, NetworkPrefixes};
use crate::domain::room::{Room, RoomId};
use crate::store::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureOutcome, FailureRecord, Lockout, Store, StoreError, Subject,
};
use crate::throttle::action::{Action, Patience};
use crate::throttle::lockouts::Lockouts;
use crate::throttle::turns::Turns;
use crate::throttle::{Denied, Limited, Settings, lockout, subjects};

/// Pairs of client and room that are known without asking the store.
const KNOWN_HERE: usize = 200_000;

/// Wrong codes per room after which nobody is let guess, as a multiple of those after which each has one guess left.
const LAST_FACTOR: u32 = 10;

/// When a client may come back whose queue of strangers was full. The queue moves on within a few calls of the store.
const FULL_FOR: Duration = Duration::from_secs(1);

pub(super) struct Codes {
    store: Arc<dyn Store>,
    of_client: Lockout,
    of_network: Lockout,
    of_known_client: Lockout,
    of_room: AttemptLimits,
    prefixes: NetworkPrefixes,
    known: Cache<u64, Arc<Mutex<Own>>>,
    hasher: RandomState,
    lockouts: Lockouts,
    /// Strangers of one client go one after the other, so that many who come at once with right codes are not many
    /// counted misses at once.
    turns: Turns,
    detached_tasks: DetachedTasks,
}

/// What a client has missed in a room that it is known to.
#[derive(Default)]
struct Own {
    misses: u32,
    locked_until: Option<Instant>,
}

impl Own {
    fn locked_for(&self) -> Option<Duration> {
        self.locked_until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Looks at the code, unless locked. No one comes in between, so that many at once get no more looks than one after
    /// the other.
    fn open(&mut self, room: &Room, code: &str, lockout: Lockout) -> Result<(), Denied> {
        if let Some(left) = self.locked_for() {
            return Err(too_many(left));
        }
        if room.code.opens_with(code) {
            return Ok(());
        }
        self.misses = self.misses.saturating_add(1);
        self.locked_until = lockout.span(self.misses).map(|span| Instant::now() + span);
        Err(Denied::WrongCode)
    }
}

/// A miss that was counted, or was not because there were too many.
enum Miss {
    Counted(Vec<(Subject, FailureRecord)>),
    LockedOut(Duration),
}

impl Codes {
    pub(super) fn new(store: Arc<dyn Store>, settings: &Settings, detached_tasks: DetachedTasks) -> Self {
        let (patience, per_room) = (settings.wrong_codes_per_address, settings.wrong_codes_per_room);
        let of_known = Patience { misses: patience.misses.div_ceil(2), ..patience };
        Self {
            store,
            of_client: lockout(patience),
            of_network: lockout(settings.wrong_codes_per_network),
            of_known_client: lockout(of_known),
            of_room: AttemptLimits { open: per_room, last: per_room.saturating_mul(LAST_FACTOR) },
            prefixes: settings.network_prefixes,
            known: Cache::new(KNOWN_HERE),
            hasher: RandomState::new(),
            lockouts: Lockouts::new(),
            turns: Turns::new(),
            detached_tasks,
        }
    }

    /// How long a client is refused at a room whatever code it brings, as far as that is known without asking the store.
    pub(super) fn refused_for(&self, client: ClientKey, room: RoomId) -> Option<Duration> {
        match self.known.get(&self.pair(client, room)) {
            Some(own) => own.lock().locked_for(),
            None => self.lockouts.left((client, room)),
        }
    }

    /// Opens a room with a code, or says why not.
    pub(super) async fn open(self: &Arc<Self>, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        if let Some(opened) = self.open_from_memory(client, room, code) {
            return opened;
        }
        let turn = self.turns.wait_for(client).map_err(|_| full())?;
        let turn = without_permit(turn).await.map_err(|_| full())?;
        if let Some(opened) = self.open_from_memory(client, room, code) {
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

    /// Makes the creator of a room known to it.
    pub(super) async fn trust_client(&self, client: ClientKey, room: RoomId) -> Result<(), StoreError> {
        if client != ClientKey::Unknown {
            self.store.trust_client(room, subjects::guesser(client, self.prefixes), false).await?;
            self.remember_as_known(client, room);
        }
        Ok(())
    }

    /// `None` if the store has to be asked.
    fn open_from_memory(&self, client: ClientKey, room: &Room, code: &str) -> Option<Result<(), Denied>> {
        if let Some(own) = self.known.get(&self.pair(client, room.id)) {
            return Some(self.open_as_known(&own, room, code));
        }
        self.lockouts.left((client, room.id)).map(|left| Err(too_many(left)))
    }

    fn open_as_known(&self, own: &Mutex<Own>, room: &Room, code: &str) -> Result<(), Denied> {
        own.lock().open(room, code, self.of_known_client)
    }

    /// Runs to its end, or takes back what it has counted.
    async fn open_as_stranger(&self, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        let asked = Instant::now();
        let miss = self.count_miss(client, asked).await?;
        let guesser = subjects::guesser(client, self.prefixes);
        // Whoever is locked out may be known to this room all the same, by another node or by a longer memory than ours.
        let limits = matches!(miss, Miss::Counted(_)).then_some(self.of_room);
        let opened = match self.store.begin_code_attempt(room.id, guesser, limits).await {
            Ok(CodeAttempt::Known) => self.open_as_known(&self.remember_as_known(client, room.id), room, code),
            Ok(CodeAttempt::Counted) if room.code.opens_with(code) => {
                let welcome = self.store.trust_client(room.id, welcomed(client, guesser), true);
                // Both, whatever becomes of the other: a right code must not stay counted as wrong.
                let (welcomed, taken_back) = future::join(welcome, self.take_back(&miss)).await;
                welcomed.and(taken_back)?;
                if client != ClientKey::Unknown {
                    self.remember_as_known(client, room.id);
                }
                return Ok(());
            }
            Ok(CodeAttempt::Counted) => return Err(Denied::WrongCode),
            Ok(CodeAttempt::Closed(until_the_end)) => {
                let left = match miss {
                    Miss::Counted(_) => until_the_end,
                    Miss::LockedOut(left) => left.min(until_the_end),
                };
                self.lockouts.remember((client, room.id), asked, left);
                Err(too_many(left))
            }
            Err(error) => {
                // As far as it can be: the store has just failed.
                let _ = self.take_back(&miss).await;
                return Err(error.into());
            }
        };
        self.take_back(&miss).await?;
        opened
    }

    /// Counts a miss of the client and of the network around it, or of neither.
    async fn count_miss(&self, client: ClientKey, asked: Instant) -> Result<Miss, StoreError> {
        let itself = Some((subjects::of_client(client), self.of_client));
        let network = subjects::of_network(client, self.prefixes).map(|network| (network, self.of_network));
        let subjects = itself.into_iter().chain(network);
        let remembered = subjects.clone().filter_map(|(subject, _)| self.lockouts.left(subject));
        if let Some(left) = remembered.max() {
            return Ok(Miss::LockedOut(left));
        }
        let mut counted = Vec::with_capacity(2);
        for (subject, lockout) in subjects {
            match self.store.record_failure(subject, lockout).await {
                Ok(FailureOutcome::Counted(record)) => counted.push((subject, record)),
                Ok(FailureOutcome::LockedOut(left)) => {
                    self.take_back(&Miss::Counted(counted)).await?;
                    self.lockouts.remember(subject, asked, left);
                    return Ok(Miss::LockedOut(left));
                }
                Err(error) => {
                    let _ = self.take_back(&Miss::Counted(counted)).await;
                    return Err(error);
                }
            }
        }
        Ok(Miss::Counted(counted))
    }

    /// Takes back a miss that was none, and the lock-outs that it began.
    async fn take_back(&self, miss: &Miss) -> Result<(), StoreError> {
        let Miss::Counted(counted) = miss else { return Ok(()) };
        let forgiven = counted.iter().map(|(subject, record)| self.store.undo_failure(*subject, *record));
        let forgiven = future::join_all(forgiven).await;
        counted.iter().for_each(|(subject, _)| self.lockouts.forget(*subject));
        forgiven.into_iter().collect()
    }

    fn remember_as_known(&self, client: ClientKey, room: RoomId) -> Arc<Mutex<Own>> {
        let own = Arc::<Mutex<Own>>::default();
        self.known.insert(self.pair(client, room), Arc::clone(&own));
        own
    }

    fn pair(&self, client: ClientKey, room: RoomId) -> u64 {
        self.hasher.hash_one((client, room))
    }
}

/// As whom a room knows a guesser from now on. Whoever is unknown stays a stranger: others may be behind the next request.
fn welcomed(client: ClientKey, guesser: AttemptingClient) -> AttemptingClient {
    const NOBODY: Subject = Subject([0; 16]);
    match client {
        ClientKey::Unknown => AttemptingClient { subject: NOBODY, ..guesser },
        ClientKey::Network(_) => guesser,
    }
}

fn too_many(retry_after: Duration) -> Denied {
    Denied::Limited(Limited { action: Action::WrongCode, retry_after })
}

fn full() -> Denied {
    Denied::Limited(Limited { action: Action::EnterRoom, retry_after: FULL_FOR })
}
