//! Who may try a room code. docs/security.md has the arithmetic.
//!
//! An address that has opened a room is *known* to it and costs nothing more. A stranger's code is counted as wrong by the
//! store, over all nodes, before it is looked at, and taken back when it is right.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::action::{Action, Patience};
use super::origin::Origin;
use super::{Denied, Limited, lockout};
use crate::domain::room::{Room, RoomId};
use crate::store::{Guess, GuessLimits, Lockout, Store, Struck};

/// Pairs of address and room that are known without asking the store.
const KNOWN_HERE: usize = 200_000;

/// Queues of strangers. Strangers of one address go one after the other, so that many who come at once with right codes
/// are not many counted misses at once.
const QUEUES: usize = 1_024;

/// Wrong codes per room after which nobody is let guess, as a multiple of those after which each has one guess left.
const LAST_FACTOR: u32 = 10;

pub(super) struct Codes {
    store: Arc<dyn Store>,
    of_address: Lockout,
    of_known_address: Lockout,
    of_room: GuessLimits,
    known: Cache<u64, Arc<Mutex<Own>>>,
    queues: Box<[Semaphore]>,
    hasher: RandomState,
}

/// What an address has missed in a room that it is known to.
#[derive(Default)]
struct Own {
    misses: u32,
    locked_until: Option<Instant>,
}

impl Own {
    /// Looks at the code, unless locked. No one comes in between, so that many at once get no more looks than one after
    /// the other.
    fn open(&mut self, room: &Room, code: &str, lockout: Lockout) -> Result<(), Denied> {
        let now = Instant::now();
        if let Some(until) = self.locked_until.filter(|until| now < *until) {
            return Err(too_many(until - now));
        }
        if room.code.opens_with(code) {
            return Ok(());
        }
        self.misses = self.misses.saturating_add(1);
        self.locked_until = lockout.span(self.misses).map(|span| now + span);
        Err(Denied::WrongCode)
    }
}

impl Codes {
    pub(super) fn new(store: Arc<dyn Store>, patience: Patience, per_room: u32) -> Self {
        let of_known = Patience { misses: patience.misses.div_ceil(2), ..patience };
        Self {
            store,
            of_address: lockout(patience),
            of_known_address: lockout(of_known),
            of_room: GuessLimits { open: per_room, last: per_room.saturating_mul(LAST_FACTOR) },
            known: Cache::new(KNOWN_HERE),
            queues: (0..QUEUES).map(|_| Semaphore::new(1)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Opens a room with a code, or says why not.
    pub(super) async fn open(&self, origin: Origin, room: &Room, code: &str) -> Result<(), Denied> {
        let pair = self.hasher.hash_one((origin, room.id));
        if let Some(own) = self.known.get(&pair) {
            return self.open_as_known(&own, room, code);
        }
        let queue = self.hasher.hash_one(origin) as usize % QUEUES;
        let _turn = self.queues[queue].acquire().await;
        match self.known.get(&pair) {
            Some(own) => self.open_as_known(&own, room, code),
            None => self.open_as_stranger(origin, pair, room, code).await,
        }
    }

    /// Makes the creator of a room known to it.
    pub(super) async fn welcome(&self, origin: Origin, room: RoomId) -> Result<(), Denied> {
        self.store.welcome(room, origin.guesser(), false).await?;
        self.known.insert(self.hasher.hash_one((origin, room)), Arc::default());
        Ok(())
    }

    fn open_as_known(&self, own: &Mutex<Own>, room: &Room, code: &str) -> Result<(), Denied> {
        own.lock().unwrap_or_else(PoisonError::into_inner).open(room, code, self.of_known_address)
    }

    async fn open_as_stranger(&self, origin: Origin, pair: u64, room: &Room, code: &str) -> Result<(), Denied> {
        let guesser = origin.guesser();
        let subject = guesser.subject;
        let (ticket, wait) = match self.store.strike(subject, self.of_address).await? {
            Struck::Counted(ticket) => (Some(ticket), Duration::ZERO),
            Struck::LockedOut(wait) => (None, wait),
        };
        // Who is locked out may be known to this room all the same, by another node or by a longer memory than ours.
        let guess = self.store.guess(room.id, guesser, ticket.map(|_| self.of_room)).await?;
        let opened = match guess {
            Guess::Known => {
                let own = Arc::<Mutex<Own>>::default();
                self.known.insert(pair, Arc::clone(&own));
                self.open_as_known(&own, room, code)
            }
            Guess::Counted if room.code.opens_with(code) => {
                let forgive = async {
                    match ticket {
                        Some(ticket) => self.store.forgive(subject, ticket).await,
                        None => Ok(()),
                    }
                };
                future::try_join(self.store.welcome(room.id, guesser, true), forgive).await?;
                self.known.insert(pair, Arc::default());
                return Ok(());
            }
            Guess::Counted => return Err(Denied::WrongCode),
            Guess::Closed(until_the_end) => {
                Err(too_many(if ticket.is_some() { until_the_end } else { wait.min(until_the_end) }))
            }
        };
        if let Some(ticket) = ticket {
            self.store.forgive(subject, ticket).await?;
        }
        opened
    }
}

fn too_many(retry_after: Duration) -> Denied {
    Denied::Limited(Limited { action: Action::WrongCode, retry_after })
}
