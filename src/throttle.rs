//! How often what may be done: rates in this process, and what is counted over all nodes about room codes and tokens.
//!
//! The list of actions is in `action`, the budgets in `rates`, who may try a room code in `codes`. Nothing here knows how
//! an answer is written.

mod action;
mod codes;
mod lockouts;
mod rates;
mod subjects;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::detached_tasks::DetachedTasks;
use crate::domain::client_key::{ClientKey, NetworkPrefixes};
use crate::domain::room::{Room, RoomId};
use crate::metrics::{Counters, Labels, Metrics};
use crate::store::{FailureOutcome, Lockout, Store, StoreError};

pub use crate::throttle::action::{Action, Patience, Rate, Unreadable};

use crate::throttle::codes::Codes;
use crate::throttle::rates::Budgets;

/// How long a lock-out lasts at most.
pub const LONGEST_LOCKOUT: Duration = Duration::from_secs(3_600);

/// Misses are forgotten when for so long there was none.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// How much work that must not be left half done is under way at once, and how long it may take. Each of its calls to the
/// store has a deadline of its own, so the time is never used up but by a defect.
const WORK_AT_ONCE: usize = 16_384;
const WORK_WITHIN: Duration = Duration::from_secs(30);

/// Steers [`Throttle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is limited at all.
    pub enabled: bool,
    pub rooms_per_address: Rate,
    pub sends_per_user: Rate,
    pub sends_per_client: Rate,
    pub sends_per_room: Rate,
    pub subscriptions_per_address: Rate,
    /// In units of cost.
    pub reads_per_client: Rate,
    pub wrong_codes_per_address: Patience,
    pub wrong_codes_per_network: Patience,
    /// What makes up the wider network of a client, whose wrong codes are counted together.
    pub network_prefixes: NetworkPrefixes,
    pub wrong_tokens_per_user: Patience,
    /// Wrong codes for one room, of all strangers together, after which each has one guess left. After ten times as many
    /// none has.
    pub wrong_codes_per_room: u32,
}

/// Something was done too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    pub action: Action,
    pub retry_after: Duration,
}

/// Why a room stays shut.
#[derive(Debug)]
pub enum Denied {
    Limited(Limited),
    WrongCode,
    Store(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Says no to what comes too often.
#[derive(Clone)]
pub struct Throttle {
    /// None limits nothing.
    limits: Option<Arc<Limits>>,
    refusals: Counters<1>,
    detached_tasks: DetachedTasks,
}

struct Limits {
    store: Arc<dyn Store>,
    rooms: Budgets,
    sends_as_user: Budgets,
    sends_of_client: Budgets,
    sends_to_room: Budgets,
    subscriptions: Budgets,
    reads: Budgets,
    codes: Arc<Codes>,
    wrong_tokens: Lockout,
}

impl Limits {
    fn new(store: Arc<dyn Store>, settings: Settings, detached_tasks: DetachedTasks) -> Self {
        Self {
            rooms: Budgets::new(settings.rooms_per_address),
            sends_as_user: Budgets::new(settings.sends_per_user),
            sends_of_client: Budgets::new(settings.sends_per_client),
            sends_to_room: Budgets::new(settings.sends_per_room),
            subscriptions: Budgets::new(settings.subscriptions_per_address),
            reads: Budgets::new(settings.reads_per_client),
            codes: Arc::new(Codes::new(Arc::clone(&store), &settings, detached_tasks)),
            wrong_tokens: lockout(settings.wrong_tokens_per_user),
            store,
        }
    }
}

impl Throttle {
    pub fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        let refusals = Counters::default();
        Action::ALL.iter().for_each(|action| drop(refusals.get_or_create(&label(*action))));
        let detached_tasks = DetachedTasks::new(WORK_AT_ONCE, WORK_WITHIN);
        let limits = settings.enabled.then(|| Limits::new(store, settings, detached_tasks.clone())).map(Arc::new);
        Self { limits, refusals, detached_tasks }
    }

    /// Runs what must not be left half done when a client hangs up.
    pub const fn detached_tasks(&self) -> &DetachedTasks {
        &self.detached_tasks
    }

    /// Registers what is counted here.
    pub fn register(&self, metrics: &Metrics) {
        let help = "What was refused because it came too often";
        metrics.register("livechat_rate_limit_refusals", help, self.refusals.clone());
    }

    /// Before a room is made.
    pub fn create_room(&self, client: ClientKey) -> Result<(), Limited> {
        let Some(limits) = &self.limits else { return Ok(()) };
        limits.rooms.take(client).map_err(self.limited(Action::CreateRoom))
    }

    /// After a room was made: its creator is known to it.
    pub async fn created(&self, client: ClientKey, room: RoomId) -> Result<(), StoreError> {
        match &self.limits {
            Some(limits) => limits.codes.trust_client(client, room).await,
            None => Ok(()),
        }
    }

    /// Before a message is sent or changed. `user` as the client wrote it; empty for one who has none yet.
    pub fn send(&self, client: ClientKey, user: &str, room: RoomId) -> Result<(), Limited> {
        let Some(limits) = &self.limits else { return Ok(()) };
        // The narrowest first: what it refuses uses up nothing of the others, which more people share.
        limits.sends_as_user.take((client, user)).map_err(self.limited(Action::SendAsUser))?;
        limits.sends_of_client.take(client).map_err(self.limited(Action::SendAsClient))?;
        limits.sends_to_room.take(room).map_err(self.limited(Action::SendToRoom))
    }

    /// Before a subscription is opened.
    pub fn subscribe(&self, client: ClientKey) -> Result<(), Limited> {
        let Some(limits) = &self.limits else { return Ok(()) };
        limits.subscriptions.take(client).map_err(self.limited(Action::Subscribe))
    }

    /// Before something is read that costs so much.
    pub fn read(&self, client: ClientKey, cost: u64) -> Result<(), Limited> {
        let Some(limits) = &self.limits else { return Ok(()) };
        limits.reads.take_many(client, cost).map_err(self.limited(Action::Read))
    }

    /// Before anything is read of a room: refuses a client that no code would let in, if that is known here.
    pub fn may_try(&self, client: ClientKey, room: RoomId) -> Result<(), Limited> {
        let refused_for = self.limits.as_ref().and_then(|limits| limits.codes.refused_for(client, room));
        refused_for.map_or(Ok(()), |retry_after| Err(self.limited(Action::WrongCode)(retry_after)))
    }

    /// Opens a room with a code, if its caller may try one.
    pub async fn open(&self, client: ClientKey, room: &Room, code: &str) -> Result<(), Denied> {
        match &self.limits {
            Some(limits) => {
                let opened = limits.codes.open(client, room, code).await;
                if let Err(Denied::Limited(limited)) = &opened {
                    self.count(limited.action);
                }
                opened
            }
            None if room.code.opens_with(code) => Ok(()),
            None => Err(Denied::WrongCode),
        }
    }

    /// After a token was wrong: `Some` when too many were. The right token is looked at all the same, so nobody can lock
    /// its holder out; nobody guesses 128 bits, and what tries cost is bounded by the rate of sends.
    pub async fn wrong_token(&self, client: ClientKey, user: &str) -> Result<Option<Limited>, StoreError> {
        let Some(limits) = &self.limits else { return Ok(None) };
        let subject = subjects::of_user(client, &group_of(user));
        let struck = limits.store.record_failure(subject, limits.wrong_tokens).await?;
        Ok(match struck {
            FailureOutcome::Counted(_) => None,
            FailureOutcome::LockedOut(retry_after) => Some(self.limited(Action::WrongToken)(retry_after)),
        })
    }

    /// What is told of an action that came too often.
    fn limited(&self, action: Action) -> impl Fn(Duration) -> Limited {
        move |retry_after| {
            self.count(action);
            Limited { action, retry_after }
        }
    }

    fn count(&self, action: Action) {
        self.refusals.get_or_create(&label(action)).inc();
    }
}

/// Groups into which users are put when their wrong tokens are counted. Ids of users are free, so a counter for each would be
/// memory without end, in which counters of other things get lost.
const USER_GROUPS: u16 = 1_024;

/// The group of a user, the same on every node.
fn group_of(user: &str) -> String {
    let [first, second, ..] = <[u8; 32]>::from(Sha256::digest(user));
    (u16::from_be_bytes([first, second]) % USER_GROUPS).to_string()
}

const fn label(action: Action) -> Labels<1> {
    [("action", action.name())]
}

fn lockout(patience: Patience) -> Lockout {
    let Patience { misses, first_lockout } = patience;
    Lockout { free: misses, first: first_lockout, longest: LONGEST_LOCKOUT, forgotten_after: FORGOTTEN_AFTER }
}
