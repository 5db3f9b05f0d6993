//! The port to whatever keeps the rooms: the [`Store`] trait, its contract, and the words it is written in.
//!
//! Two stores live below: [`embedded`], in this process and durable, and [`redis`], shared by many processes; around
//! either goes [`measured`]. What they
//! promise is one list, and one conformance suite (`tests/conformance`) holds both to it. No rule of the service is
//! decided here: a store keeps what it is told, if the precondition it is given still holds, or says why not.

pub mod embedded;
mod lockouts;
pub mod measured;
pub mod migration;
pub mod redis;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use crate::domain::event::{EntryTag, Event, Position, Seq};
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::page::Window;
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, SealedToken, TokenHash, User, UserId};

pub use crate::store::lockouts::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureCounters, FailureOutcome, FailureRecord, InvalidLockoutPolicy,
    LockoutPolicy, Subject,
};

/// Keeps rooms, messages, users and logs, and announces what it accepted.
///
/// # Contract
///
/// 1. [`commit`](Store::commit) is one step: room alive, precondition, next `Seq`, message, log, announcement; or
///    nothing at all.
/// 2. `Seq` is contiguous per room from 1, under contention too; announcements of a room come in `Seq` order.
/// 3. A repeated `clientMessageId` of the same user in the same room returns the first result and writes nothing.
/// 4. Expired is absent everywhere at once; no key outlives its room. A user outlives every room it was admitted for.
/// 5. Reading the log after a position is ordered, bounded per read, and says when the position is not one of its own.
/// 6. A snapshot (room, a page of messages, position) is one instant.
/// 7. The feed survives a lost connection by itself and says [`FeedItem::Resync`], or [`FeedItem::ResyncOf`]
///    the rooms concerned.
/// 8. What was acknowledged survives `kill -9` of this process.
/// 9. Errors mean the same on every store: see [`StoreError`].
/// 10. Viewers that one node reported are counted by every other node, and forgotten [`VIEWERS_KEPT`] after its last
///     report.
/// 11. [Failures](FailureCounters) and [code attempts](Store::begin_code_attempt) are counted in one step, for all nodes
///     together, before the outcome is known: however many come at once, no more than the limit are counted. An attempt that
///     turns out to be right is undone. No counter outlives its policy, and no counter of a room outlives the room.
/// 12. A user whom a refused message would have made known is forgotten, unless somebody was admitted as that user since:
///     of two first messages at once, the refusal of one does not undo the other.
/// 13. An operation that was begun is completed, or leaves nothing behind, even if its caller stops waiting.
/// 14. However many changes come at once, a room has no more messages and log entries, and a message no more edits, than
///     the [`RoomLimits`] they come with. Each message that is not deleted keeps a log entry free for its deletion, so a
///     deletion is never refused for lack of space.
///
/// The store tells the time: every moment in its answers is read from one clock per store, which for a shared store is
/// not the clock of this process. Whoever needs to wait for a moment subtracts [`RoomState::now`] from it.
#[async_trait]
pub trait Store: FailureCounters {
    /// Creates a room that lives for `ttl` from now. [`StoreError::Conflict`] when the id is taken.
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError>;

    /// A room and, when a window is given, that page of its messages, oldest first, all of one instant.
    /// [`StoreError::NotFound`] when there is no such room.
    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError>;

    /// A page of the distinct users who ever sent a message in the room, in the order of their first message.
    /// [`StoreError::NotFound`] when there is no such room.
    async fn chatters(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError>;

    /// Up to `limit` rooms alive now, newest first, from just behind the place `after` on. Rooms in a part of the store that
    /// cannot be reached are left out.
    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError>;

    /// Knows a user by its token and replaces the token, or makes the user known. One step. An answer other than
    /// [`Admitted::Created`], [`Admitted::Rotated`] and [`Admitted::Repeated`] has changed nothing.
    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError>;

    /// Forgets a user whom [`admit`](Store::authenticate) made known with `token`, unless somebody was admitted as that user
    /// since: the way back from [`Admitted::Created`] when the message that should have made the user known was refused.
    /// Does nothing for any other user.
    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError>;

    /// Applies one change to a room, or nothing. [`StoreError::NotFound`] when the room, or the message to change, is
    /// not there or deleted; [`StoreError::Conflict`] when the message has another revision than the change was decided on;
    /// [`StoreError::Full`] when the room takes no more messages, or no more edits; [`StoreError::EditLimit`] when the
    /// message takes no more edits.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Admits a user and commits the message that it sends: as [`admit`](Store::authenticate) and then
    /// [`commit`](Store::commit), with their errors. What is not admitted is not committed. A refused message leaves the
    /// new token of a user who was known standing, and a user whom this would have made known unknown, so that its id is
    /// not taken by a token that nobody was given. A store that keeps users and rooms in one place makes it one step.
    async fn send(&self, admission: Admission, sending: Sending) -> Result<Sent, StoreError> {
        send_in_two_steps(self, admission, sending).await
    }

    /// The next entries of the room's log behind `after`, at most `limit`; fewer mean that the end was reached.
    /// Each comes with its message as it is now. [`StoreError::NotFound`] when there is no such room,
    /// [`StoreError::ForeignPosition`] when the log has no such entry.
    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Announcements of all watched rooms, from now on. Every call gives a feed of its own.
    fn feed(&self) -> Feed;

    /// Asks for the announcements of a room. The wish counts from the call; when the future resolves, whatever is
    /// committed from then on reaches the feeds. [`StoreError::Unavailable`] when that cannot be said in time: the wish
    /// stands all the same until [`unwatch`](Store::unsubscribe), and is fulfilled before the next resync of the room.
    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Takes the wish back, however often it was made.
    fn unsubscribe(&self, room: RoomId);

    /// Tells the other nodes how many live subscriptions this one has of each room. To be said again before
    /// [`VIEWERS_KEPT`] is over; zero takes a number back at once. When it fails, the numbers of some rooms may have been
    /// told all the same.
    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError>;

    /// How many viewers the *other* nodes have of each of `rooms`, in the same order. A room in a part of the store that
    /// cannot be reached has the number that was read last within [`VIEWERS_KEPT`], else 0;
    /// [`StoreError::Unavailable`] when no number of any of them is known.
    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError>;

    /// Counts a wrong code for the room before the code is checked, unless `client` is known there or has no attempt left.
    /// Without `limits` it has none. [`StoreError::NotFound`] when there is no such room.
    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError>;

    /// Makes `client` known to the room for the room's life, and undoes its attempt if one was `counted`. A room knows
    /// [`KNOWN_MAX`] clients at most. [`StoreError::NotFound`] when there is no such room.
    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError>;

    /// Succeeds when the store answers and can take a write.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// [`Store::send`] where users and rooms are not in one place.
pub(in crate::store) async fn send_in_two_steps(
    store: &(impl Store + ?Sized),
    admission: Admission,
    sending: Sending,
) -> Result<Sent, StoreError> {
    let token = admission.next_token;
    // Without a token of its own, a client could not come back as a user whom it does not know to be there.
    let lost_if_created =
        (admission.newcomer.is_some() && admission.presented.is_none()).then(|| admission.user.clone());
    let admitted = match (store.authenticate(admission).await, lost_if_created) {
        (Ok(admitted), _) => admitted,
        (Err(error @ StoreError::Unavailable(_)), Some(user)) => {
            withdraw_patiently(store, &user, token).await?;
            return Err(error);
        }
        (Err(error), _) => return Err(error),
    };
    let Some(author) = admitted.chatter() else { return Ok(Sent { admitted, committed: None }) };
    match store.commit(sending.by(author.clone())).await {
        Ok(committed) => Ok(Sent { admitted, committed: Some(committed) }),
        Err(refused) => {
            // When the outcome is not known, the message may be there, and so must its author.
            if let Admitted::Created(author) = &admitted
                && !matches!(refused, StoreError::Unavailable(_))
            {
                withdraw_patiently(store, &author.id, token).await?;
            }
            Err(refused)
        }
    }
}

/// Withdraws a user, and tries again when the store is away for a moment: nobody could use the id otherwise. To withdraw a
/// user twice changes nothing.
async fn withdraw_patiently(store: &(impl Store + ?Sized), user: &UserId, token: TokenHash) -> Result<(), StoreError> {
    for attempt in 0..WITHDRAWALS {
        match store.forget_new_user(user, token).await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(WITHDRAW_AGAIN * (1 << attempt)).await,
            outcome => return outcome,
        }
    }
    store.forget_new_user(user, token).await
}

/// How often a withdrawal is tried again, and the first pause before that, which doubles.
const WITHDRAWALS: u32 = 5;
const WITHDRAW_AGAIN: Duration = Duration::from_millis(50);

/// How long a node's report of viewers counts.
pub const VIEWERS_KEPT: Duration = Duration::from_secs(12);

/// How many clients a room knows. Later ones enter with the right code all the same, and are counted each time.
pub const KNOWN_MAX: usize = 50_000;

/// What went wrong, the same on every store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such room, or no such message in it. Nothing was written.
    #[error("not found")]
    NotFound,
    /// The precondition does not hold any more. Nothing was written; decide again on what is there now.
    #[error("conflict")]
    Conflict,
    /// The room takes no more messages, or its log no more entries but deletions. Nothing was written.
    #[error("full")]
    Full,
    /// The message was edited as often as it may be. Nothing was written.
    #[error("edited too often")]
    EditLimit,
    /// The log has no entry with this number and check.
    #[error("the position is not of this log")]
    ForeignPosition,
    /// The store cannot be reached or cannot write now. A write may or may not have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// The store answered something it never should: a defect, or foreign hands in its data.
    #[error("the store holds what it should not")]
    Corrupt(#[source] BoxError),
}

/// The cause of an error of ours.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A room as it stood at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    pub room: Room,
    /// The instant, by the store's clock.
    pub now: Timestamp,
    /// Where the log ends.
    pub head: Position,
    /// Messages ever sent, deleted ones included: their indexes are `0..message_count`.
    pub message_count: u64,
    /// Distinct users who ever sent a message.
    pub chatter_count: u64,
}

/// A room and a page of its messages, of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub state: RoomState,
    /// The messages of the window that was asked for, oldest first; empty when none was.
    pub messages: Vec<Message>,
}

/// A page of a room's chatters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The chatters of the window that was asked for, in the order of their first message.
    pub chatters: Vec<User>,
    /// Chatters of the room in all.
    pub total: u64,
}

/// A page of the rooms alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRooms {
    /// Newest first.
    pub rooms: Vec<RoomState>,
    /// Whether older ones follow.
    pub more: bool,
    /// Rooms alive in all.
    pub total: u64,
}

/// Somebody who wants to act as a user.
#[derive(Clone, Debug)]
pub struct Admission {
    pub user: UserId,
    /// The token they show, if it can be one.
    pub presented: Option<PresentedToken>,
    /// The token they shall get.
    pub next_token: TokenHash,
    /// The user stays known until this moment at least.
    pub keep_until: Timestamp,
    /// The name under which to make an unknown user known; `None` leaves it unknown.
    pub newcomer: Option<DisplayName>,
}

/// A token that somebody shows, and the one they shall get, sealed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    pub hash: TokenHash,
    pub sealed_next_token: SealedToken,
}

/// What [`Store::authenticate`] decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The user was unknown and is known now; the next_token is its token. A token presented with it counts as the one
    /// before, so a client that makes up a token of its own can repeat even its first action.
    Created(User),
    /// The presented token was the current one; the next_token is the current one now, the presented one the one before.
    Rotated(User),
    /// The presented token was the one before; its next_token, unused so far, stands.
    Repeated(User, SealedToken),
    /// There is no such user, and no name to make it known under.
    Unknown,
    /// The user is known by another token.
    WrongToken,
}

impl Admitted {
    /// The user, if it was admitted.
    pub const fn chatter(&self) -> Option<&User> {
        match self {
            Self::Created(chatter) | Self::Rotated(chatter) | Self::Repeated(chatter, _) => Some(chatter),
            Self::Unknown | Self::WrongToken => None,
        }
    }
}

/// A message to be sent by whom an [`Admission`] admits.
#[derive(Clone, Debug)]
pub struct Sending {
    pub room: RoomId,
    /// The mark of the log entry.
    pub check: EntryTag,
    pub text: MessageText,
    pub client_message_id: Option<ClientMessageId>,
    pub limits: RoomLimits,
}

/// How much a room takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Log entries, those included that are kept free for deletions.
    pub events: u64,
    /// Edits of each message.
    pub edits: u64,
}

impl RoomLimits {
    /// Whether a log of `entries`, in a room with so many messages that are not deleted, takes a message.
    pub(in crate::store) const fn take_message(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(2) <= self.events
    }

    /// Whether it takes an edit.
    pub(in crate::store) const fn take_edit(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(1) <= self.events
    }
}

impl Sending {
    /// The change that it is when `author` sends it.
    pub fn by(self, author: User) -> Commit {
        let Self { room, check, text, client_message_id, limits } = self;
        Commit { room, check, change: Change::Send { author, text, client_message_id, limits } }
    }
}

/// What [`Store::send`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub admitted: Admitted,
    /// What was committed; `None` when the user was not admitted.
    pub committed: Option<Committed>,
}

/// One change of a room, to be committed whole or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    pub room: RoomId,
    /// The mark of the log entry.
    pub check: EntryTag,
    pub change: Change,
}

/// What a commit changes. The precondition of each is named with it.
#[derive(Clone, Debug)]
pub enum Change {
    /// Appends a message, if that is within `limits`.
    Send { author: User, text: MessageText, client_message_id: Option<ClientMessageId>, limits: RoomLimits },
    /// Replaces the text of the message at `index`, if its revision still is `revision` and that is within `limits`.
    Edit { index: u64, revision: Seq, text: MessageText, limits: RoomLimits },
    /// Removes the text of the message at `index` for good, if its revision still is `revision`.
    Delete { index: u64, revision: Seq },
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The change is stored, and announced.
    New(Event),
    /// The same send was committed before; this is its event, with the message as it is now.
    Repeated(Event),
}

impl Committed {
    /// The event of the change, whenever it happened.
    pub fn into_event(self) -> Event {
        match self {
            Self::New(event) | Self::Repeated(event) => event,
        }
    }
}

/// What a feed tells.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// A change of a watched room. Of rooms nobody watches, a feed may tell or not.
    Event(Arc<Event>),
    /// Announcements may have been lost. Every reader must read its log again.
    Resync,
    /// Announcements of these rooms may have been lost. Their readers must read their logs again.
    ResyncOf(Arc<[RoomId]>),
}

/// Announcements as they come, bounded: a feed that is not read fast enough tells `Resync` in place of what it dropped.
#[derive(Debug)]
pub struct Feed(broadcast::Receiver<FeedItem>);

impl Feed {
    /// A feed of what `announcements` sends from now on.
    pub fn of(announcements: &broadcast::Sender<FeedItem>) -> Self {
        Self(announcements.subscribe())
    }

    /// The next announcement; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<FeedItem> {
        match self.0.recv().await {
            Ok(announcement) => Some(announcement),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(FeedItem::Resync),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
