//! The [`Store`] trait: its contract, and the types of its operations.
//!
//! [`embedded`] stores everything in this process's data directory, [`redis`] in a Redis shared by many processes.
//! [`measured`] wraps either. One conformance suite (`tests/store/conformance`) holds both to the contract. A store decides
//! no rules of the service: it applies a change if the given precondition still holds, and reports why if not.

pub mod embedded;
mod feed;
mod lockouts;
pub mod measured;
pub mod redis;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::domain::ban::{Ban, BanReason};
use crate::domain::event::Event;
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::page::Window;
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::presence::{PresentUser, Typing};
use crate::domain::reaction::Emoji;
use crate::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings, SettingsUpdate};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, Role, User, UserId};

pub use crate::store::feed::{Feed, FeedItem};
pub use crate::store::lockouts::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureCounters, FailureOutcome, FailureRecord, InvalidLockoutPolicy,
    LockoutPolicy, Subject,
};

/// Stores rooms, messages, users and logs, and publishes every accepted change to its feeds.
///
/// # Contract
///
/// 1. [`commit`](Store::commit) is one atomic step: check that the room is alive, check the precondition, assign the next
///    `Seq`, write the message and the log entry, publish the event. Either all of it happens or none.
/// 2. `Seq` is contiguous per room from 1, under contention too. A feed delivers the events of a room in `Seq` order.
/// 3. A send that repeats a `clientMessageId` of the same user in the same room returns the first result and writes nothing.
/// 4. An expired room disappears from every operation at the same instant, and none of its keys outlives it. A user
///    outlives every room that it was admitted to.
/// 5. [`read_log`](Store::read_log) returns entries in order, bounded per call, and fails if the log has no entry at the
///    given position.
/// 6. A snapshot (room, page of messages, position) shows one instant.
/// 7. A feed survives a lost connection: it recovers by itself and then yields [`FeedItem::Resync`], or
///    [`FeedItem::ResyncOf`] with the affected rooms.
/// 8. Acknowledged writes survive `kill -9` of this process.
/// 9. Errors mean the same in every store: see [`StoreError`].
/// 10. Every node counts the viewers that other nodes report. A report expires [`VIEWER_REPORT_TTL`] after it was made.
/// 11. [Failures](FailureCounters) and [code attempts](Store::begin_code_attempt) are counted atomically across all nodes,
///     before their outcome is known: of any number of concurrent ones, no more than the limit are counted. An attempt that
///     succeeds is undone. No counter outlives its policy, and no counter of a room outlives the room.
/// 12. If a refused message was the reason to register a user, the user is forgotten, unless it has been authenticated
///     since: of two concurrent first messages, the refusal of one does not undo the other.
/// 13. An operation that has begun completes or leaves nothing behind, even if its caller stops waiting.
/// 14. Under any concurrency, a room never exceeds the messages and log entries, nor a message the edits, of the
///     [`RoomLimits`] in the change. Each message that is not deleted reserves a log entry for its deletion, so a deletion
///     is never refused for lack of space.
/// 15. Rules (bans, the lock, slow mode) are decided in the step of clause 1, in this order, before the target of a reply and the
///     limits. A rule holds for exactly the changes after the entry that set it. A repeat is recognized before any rule. No rule
///     forbids a deletion, and none forbids anything to an owner. Whoever has proven to be the owner stays it for the room's life.
/// 16. A ban forbids its user to send, edit, react and join. Unless the id of the user is signed, it also forbids that to all users
///     with unsigned ids at the last known address from which the user sent or joined. An unknown address is never banned, and
///     never replaces a known one. An owner cannot be banned. A lifted, replaced or expired ban forbids nothing.
/// 17. In slow mode, the times of two messages of a user are never closer than the setting, under contention too. The first message
///     of a user with an unsigned id also counts against its address, if that is known: against other first messages from there.
/// 18. Each reaction counts once, under any concurrency. Changes of reactions without an entry of their own end in one entry with the
///     final counts, even if the node that made them is gone. They never take the space of other changes: see
///     [`RoomLimits::allow_reaction`]. A mark reserves its entry. A deletion removes the reactions and the mark of its message.
/// 19. [`end_room`](Store::end_room) removes a room like its expiry, at once and on all nodes, and nothing of it remains. The
///     feeds of all nodes get [`FeedItem::Ended`]. An unlisted room is missing from [`active_rooms`](Store::active_rooms) and its
///     total, and from nothing else.
/// 20. Every node reads the present users that other nodes report. A report expires [`PRESENCE_REPORT_TTL`] after it was made, and
///     none outlives the room. Typing reaches the feeds of all nodes. Neither is an entry of the log.
///
/// Each store has one clock, and every timestamp in its results is read from it. The clock of a shared store is not the
/// clock of this process: to wait for a timestamp, subtract [`RoomState::now`] from it.
#[async_trait]
pub trait Store: FailureCounters {
    /// Creates a room. Fails with [`StoreError::Conflict`] if the id is in use.
    async fn create_room(&self, room: NewRoom) -> Result<RoomState, StoreError>;

    /// Removes a room and everything in it before its time. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn end_room(&self, room: RoomId) -> Result<(), StoreError>;

    /// Reads a room and, if a window is given, that page of its messages, oldest first, all at one instant. Fails with
    /// [`StoreError::NotFound`] if there is no such room.
    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError>;

    /// Reads a page of the distinct users who have sent a message in the room, in the order of their first messages. Fails
    /// with [`StoreError::NotFound`] if there is no such room.
    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError>;

    /// Reads a page of the bans that hold, in the order in which they were made. A cursor of a page is the index that the store
    /// gave the ban, which never changes; a ban that replaces another is a new one. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError>;

    /// Reads a user of the room: one that has sent a message or has joined. `None` if there is no such user. Fails with
    /// [`StoreError::NotFound`] if there is no such room.
    async fn member(&self, room: RoomId, user: &UserId) -> Result<Option<Member>, StoreError>;

    /// Registers a user in a room without a message, or updates its role and address. Returns the user as stored in the room: the
    /// name of a known unsigned user stays, that of a signed one is replaced. Fails with [`StoreError::NotFound`] if there is no such
    /// room, with [`StoreError::Denied`] if the user is banned, and with [`StoreError::Full`] if
    /// [`JOINED_USERS_MAX`](crate::domain::limits::JOINED_USERS_MAX) users have joined without a message.
    async fn join(&self, room: RoomId, actor: Actor) -> Result<Member, StoreError>;

    /// The emoji with which a user has reacted to each of the messages with these indexes, in the same order. Fails with
    /// [`StoreError::NotFound`] if there is no such room.
    async fn reactions_by(&self, room: RoomId, user: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError>;

    /// Adds or removes a reaction, like [`commit`](Store::commit), but without an entry of the log if the message had one about its
    /// reactions within the last [`REACTIONS_INTERVAL`](crate::domain::reaction::REACTIONS_INTERVAL). Then the message is marked, and
    /// feeds get [`FeedItem::ReactionsPending`]. A reaction that exists already, or is already absent, changes nothing. Fails with
    /// the errors of `commit`, with [`StoreError::Full`] if the message has too many kinds or the room too many entries about
    /// reactions, and with [`StoreError::EditLimit`] if the user changed this reaction too often, or reacted to the message with more
    /// than [`REACTION_KINDS_MAX`](crate::domain::reaction::REACTION_KINDS_MAX) emoji, including those that it removed. The rules and
    /// the message are checked even if nothing changes. Registers no user.
    async fn react(&self, reaction: Reaction) -> Result<Reacted, StoreError>;

    /// Appends the due entries about reactions of marked messages, a bounded number per call. Returns when to call again: `None` if no
    /// message is marked. Any node may call this at any time. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn log_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError>;

    /// Tells the feeds of all nodes that subscribed to the room that a user is typing, or has stopped. Nothing is stored.
    async fn announce_typing(&self, room: RoomId, typing: Typing) -> Result<(), StoreError>;

    /// Reports to the other nodes which users are present on this node. `changed` has the users that came, or whose role changed;
    /// `left` those that went. With `is_complete`, `changed` has all of them, and earlier reports are forgotten. Repeat it within
    /// [`PRESENCE_REPORT_TTL`]. Returns whether the store still had this node's earlier reports; if not, repeat it with all users.
    /// If anything has changed, the feeds of the other nodes get [`FeedItem::PresenceChanged`].
    async fn report_presence(&self, room: RoomId, report: PresenceReport) -> Result<bool, StoreError>;

    /// The users whom the *other* nodes report as present in a room, without duplicates: at most
    /// [`PRESENT_USERS_MAX`](crate::domain::presence::PRESENT_USERS_MAX) of them, and how many there are in all.
    async fn present_elsewhere(&self, room: RoomId) -> Result<PresentUsers, StoreError>;

    /// Reads up to `limit` rooms that are alive and listed, newest first, starting after `after`. Leaves out rooms in an unreachable
    /// part of the store.
    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError>;

    /// Authenticates a user and rotates its token, or registers the user, atomically. Changes nothing unless the result is
    /// [`Admitted::Created`], [`Admitted::Rotated`] or [`Admitted::Repeated`].
    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError>;

    /// Forgets a user that [`authenticate`](Store::authenticate) registered with `token`, unless it has been authenticated
    /// since. Undoes [`Admitted::Created`] when the message that was the reason to register the user is refused. Does
    /// nothing for any other user.
    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError>;

    /// Applies one change to a room, completely or not at all. Fails with
    /// - [`StoreError::NotFound`] if there is no such room, or the message to change does not exist or is deleted,
    /// - [`StoreError::Conflict`] if the revision of the message is not the expected one,
    /// - [`StoreError::Full`] if the room has no space for another message or edit,
    /// - [`StoreError::EditLimit`] if the message has reached its number of edits,
    /// - [`StoreError::Denied`] if a rule of the room forbids the change,
    /// - [`StoreError::NoSuchTarget`] if the message to reply to was never sent, or the user to ban or to unban is none of the room.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Authenticates a user and commits its message, like [`authenticate`](Store::authenticate) and then
    /// [`commit`](Store::commit), with their errors. Commits nothing if the user is not admitted. If the message is refused, a
    /// known user keeps its new token, and a user that this call registered is forgotten, so that its id is not taken by a
    /// token that no client received. A store that has users and rooms in one place does all of this in one step.
    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError>;

    /// Reads the entries of the room's log after `after`, at most `limit`; fewer mean that the end of the log was reached.
    /// Each entry has its message in its current state. Fails with [`StoreError::NotFound`] if there is no such room, and
    /// with [`StoreError::ForeignPosition`] if the log has no entry at that position.
    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Opens a new feed of the events of all subscribed rooms, starting now.
    fn feed(&self) -> Feed;

    /// Subscribes the feeds to a room. The subscription is requested by the call itself; when the future resolves, every later
    /// commit reaches the feeds. Fails with [`StoreError::Unavailable`] if that takes too long. The request stands even then,
    /// until [`unsubscribe`](Store::unsubscribe), and is fulfilled before the next resync of the room.
    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Cancels the subscription to a room, however often it was requested.
    fn unsubscribe(&self, room: RoomId);

    /// Reports to the other nodes how many live subscriptions this node has of each room. Repeat it within
    /// [`VIEWER_REPORT_TTL`]; zero withdraws a report at once. If it fails, some of the counts may have been reported.
    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError>;

    /// How many viewers the *other* nodes have of each of `rooms`, in the same order. For a room in an unreachable part of
    /// the store, this is the last count read within [`VIEWER_REPORT_TTL`], or else 0. Fails with
    /// [`StoreError::Unavailable`] if no count of any of the rooms is known.
    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError>;

    /// Counts a wrong code before the code is checked, unless the room trusts the client or the client has no attempts left.
    /// Without `limits` it has none. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError>;

    /// Makes the room trust the client for the rest of the room's life, and undoes the client's attempt if it was `counted`.
    /// A room trusts at most [`TRUSTED_CLIENTS_MAX`] clients. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError>;

    /// Succeeds if the store responds and can write.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// How long a node's report of viewers is valid.
pub const VIEWER_REPORT_TTL: Duration = Duration::from_secs(12);

/// How long a node's report of present users is valid.
pub const PRESENCE_REPORT_TTL: Duration = Duration::from_secs(10);

/// How many clients a room trusts. Further clients with the right code still enter, and are counted each time.
pub const TRUSTED_CLIENTS_MAX: usize = 50_000;

/// The errors of a store. They mean the same in every store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such room, or no such message in it. Nothing was written.
    #[error("not found")]
    NotFound,
    /// The precondition no longer holds. Nothing was written; read again and decide anew.
    #[error("conflict")]
    Conflict,
    /// The room has no space for another message, or its log only for deletions. Nothing was written.
    #[error("full")]
    Full,
    /// The message has reached its number of edits. Nothing was written.
    #[error("the message has reached its number of edits")]
    EditLimit,
    /// A rule of the room forbids the change. Nothing was written.
    #[error("a rule of the room forbids this")]
    Denied(Denial),
    /// The message to reply to, or the user to ban or to unban, does not exist in the room. Nothing was written.
    #[error("the target does not exist")]
    NoSuchTarget,
    /// The log has no entry with this number and tag.
    #[error("the log has no entry at this position")]
    ForeignPosition,
    /// The store cannot be reached or cannot write now. A write may or may not have happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// The store returned something invalid: a defect of ours, or data that another program changed.
    #[error("stored data is corrupt")]
    Corrupt(#[source] BoxError),
}

impl StoreError {
    /// Whether the store failed, rather than refused an operation for a reason that callers expect.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Corrupt(_))
    }
}

/// The cause of a [`StoreError`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A room at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    pub room: Room,
    /// The instant, by the store's clock.
    pub now: Timestamp,
    /// The end of the log.
    pub head: Position,
    /// Messages ever sent, including deleted ones: their indexes are `0..message_count`.
    pub message_count: u64,
    /// Distinct users who have sent a message.
    pub user_count: u64,
    pub settings: RoomSettings,
    /// How often reactions in the room have changed.
    pub reaction_changes: u64,
}

/// Tells two states of the messages of a room apart. Between equal versions, no message has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomVersion {
    head: Position,
    reaction_changes: u64,
}

impl RoomState {
    /// The version of the room's messages.
    pub const fn version(&self) -> RoomVersion {
        RoomVersion { head: self.head, reaction_changes: self.reaction_changes }
    }
}

/// A room and a page of its messages at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub state: RoomState,
    /// The messages of the requested window, oldest first; empty without a window.
    pub messages: Vec<Message>,
}

/// A page of a room's users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users of the requested window, in the order of their first messages.
    pub users: Vec<User>,
    /// All users of the room.
    pub total: u64,
}

/// A page of the active rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRooms {
    /// Newest first.
    pub rooms: Vec<RoomState>,
    /// Whether older rooms follow.
    pub more: bool,
    /// All active rooms.
    pub total: u64,
}

/// A request to act as a user.
#[derive(Clone, Debug)]
pub struct Admission {
    pub user: UserId,
    /// The token that the client presents, if it is well-formed.
    pub presented: Option<PresentedToken>,
    /// The token that the client gets in exchange.
    pub next_token: TokenHash,
    /// The store keeps the user at least until this time.
    pub keep_until: Timestamp,
    /// The name to register an unknown user with; `None` to not register it.
    pub register_as: Option<DisplayName>,
}

/// A token that a client presents, and the next token sealed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    pub hash: TokenHash,
    pub sealed_next_token: SealedToken,
}

/// A stored user with everything that its tokens need to stay valid, as a migration to another store copies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub user: User,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The previous token, with the current one sealed under it.
    pub previous: Option<PresentedToken>,
    pub expires_at: Timestamp,
}

/// The result of [`Store::authenticate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The user was unknown and is now registered with the next token. A presented token becomes its previous token, so a
    /// client that makes up its first token can repeat even its first action.
    Created(User),
    /// The presented token was the current one and becomes the previous one. The next token becomes the current one.
    Rotated(User),
    /// The presented token was the previous one. Its next token, which has not been used yet, stays the current one.
    Repeated(User, SealedToken),
    /// There is no such user, and no name to register it with.
    Unknown,
    /// The presented token is not a token of the user.
    WrongToken,
}

impl Admitted {
    /// The user, if it was admitted.
    pub const fn user(&self) -> Option<&User> {
        match self {
            Self::Created(user) | Self::Rotated(user) | Self::Repeated(user, _) => Some(user),
            Self::Unknown | Self::WrongToken => None,
        }
    }
}

/// A room to create.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub id: RoomId,
    pub code: RoomCode,
    /// How long the room lives.
    pub ttl: Duration,
    /// The hash of the token that proves the owner.
    pub owner_token: TokenHash,
    pub secret: RoomSecret,
    pub settings: RoomSettings,
}

/// A keyed hash of the address of a client, valid in one room. The key is the room's [`RoomSecret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressHash(pub [u8; 16]);

/// A user who acts in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user. In [`Change::Send`] and [`Store::join`], its name and picture are stored.
    pub user: User,
    /// Whether the user has proven to be the owner with this action. A user who did so earlier is an owner anyway.
    pub is_owner: bool,
    /// `None` if the address is unknown.
    pub address: Option<AddressHash>,
}

/// A user of a room, as stored in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub role: Role,
    /// The end of the ban that holds for the user or its address: `Some(None)` for the room's life.
    pub banned_until: Option<Option<Timestamp>>,
    /// The end of the log when the member was read.
    pub head: Position,
}

/// A page of the bans of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanPage {
    /// Each ban with its index.
    pub bans: Vec<(u64, Ban)>,
    /// Whether more follow.
    pub more: bool,
    /// All bans that hold.
    pub total: u64,
}

/// Which rule of a room forbids a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The user or its address is banned; `None` for the room's life.
    Banned {
        until: Option<Timestamp>,
    },
    Locked,
    /// The user may send its next message after this time.
    SlowMode {
        retry_after: Duration,
    },
    /// The user to ban is an owner.
    IsOwner,
}

/// A reaction to add or to remove.
#[derive(Clone, Debug)]
pub struct Reaction {
    pub room: RoomId,
    /// The tag of the log entry, if there is one.
    pub tag: EntryTag,
    /// Its name and picture are not stored.
    pub actor: Actor,
    /// The index of the message.
    pub message: u64,
    pub emoji: Emoji,
    /// Whether to add the reaction rather than to remove it.
    pub add: bool,
    pub limits: RoomLimits,
}

/// The result of [`Store::react`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacted {
    /// The message after the change.
    pub message: Message,
    /// The end of the log after the change.
    pub head: Position,
    /// When [`Store::log_reactions`] is due, if the change was marked.
    pub due: Option<Duration>,
}

/// A node's report of users who are present in a room; see [`Store::report_presence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceReport {
    pub changed: Vec<PresentUser>,
    pub left: Vec<UserId>,
    pub is_complete: bool,
}

/// The users who are present on other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresentUsers {
    pub users: Vec<PresentUser>,
    /// All of them.
    pub total: u64,
}

/// A message to commit once an [`Admission`] has identified its author.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub room: RoomId,
    /// The tag of the log entry.
    pub tag: EntryTag,
    pub text: MessageText,
    pub client_message_id: Option<ClientMessageId>,
    /// The index of the message that this one answers.
    pub reply_to: Option<u64>,
    /// See [`Actor`].
    pub is_owner: bool,
    pub address: Option<AddressHash>,
    pub limits: RoomLimits,
}

impl NewMessage {
    /// The commit of this message, sent by `author`.
    pub fn into_commit(self, author: User) -> Commit {
        let Self { room, tag, text, client_message_id, reply_to, is_owner, address, limits } = self;
        let author = Actor { user: author, is_owner, address };
        Commit { room, tag, change: Change::Send { author, text, client_message_id, reply_to, limits } }
    }
}

/// How much a room may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Messages, including deleted ones.
    pub messages: u64,
    /// Log entries, including those that are reserved for deletions.
    pub events: u64,
    /// Edits of each message.
    pub edits: u64,
}

impl RoomLimits {
    /// Whether a log of `entries` has space for another message, in a room with `live` messages that are not deleted.
    pub(in crate::store) const fn allow_message(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(2) <= self.events
    }

    /// Whether such a log has space for another edit, or for an entry about settings or a ban.
    pub(in crate::store) const fn allow_edit(&self, entries: u64, live: u64) -> bool {
        entries.saturating_add(live).saturating_add(1) <= self.events
    }

    /// Whether such a log has space for another entry about reactions. Entries about reactions take at most a quarter of the log.
    /// `reactions` counts them, including those that are reserved for marked messages. `live` includes these, too.
    pub(in crate::store) const fn allow_reaction(&self, entries: u64, live: u64, reactions: u64) -> bool {
        self.allow_edit(entries, live) && reactions < self.events / 4
    }
}

/// The result of [`Store::send`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub admitted: Admitted,
    /// `None` if the user was not admitted.
    pub committed: Option<Committed>,
}

/// One change of a room.
#[derive(Clone, Debug)]
pub struct Commit {
    pub room: RoomId,
    /// The tag of the log entry.
    pub tag: EntryTag,
    pub change: Change,
}

/// The change of a commit, with its precondition.
#[derive(Clone, Debug)]
pub enum Change {
    /// Appends a message, within `limits`, if the rules of the room allow it.
    Send {
        author: Actor,
        text: MessageText,
        client_message_id: Option<ClientMessageId>,
        /// The index of the message that this one answers.
        reply_to: Option<u64>,
        limits: RoomLimits,
    },
    /// Replaces the text of the message at `index`, if its revision is `revision`, within `limits`, if the rules of the room allow it.
    Edit { editor: Actor, index: u64, revision: Seq, text: MessageText, limits: RoomLimits },
    /// Removes the text of the message at `index` and its reactions for good, if its revision is `revision`. No rule forbids it.
    Delete { by: Role, index: u64, revision: Seq },
    /// Changes settings. If none changes, an entry is appended all the same.
    Update { settings: SettingsUpdate, limits: RoomLimits },
    /// Bans a user of the room, or replaces its ban. `duration` is `None` for the room's life.
    Ban { user: UserId, duration: Option<Duration>, reason: Option<BanReason>, limits: RoomLimits },
    /// Lifts the ban of a user of the room. If there is none, an entry is appended all the same.
    Unban { user: UserId, limits: RoomLimits },
}

/// The result of [`Store::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The change is stored and published.
    New(Event),
    /// The same send was committed before. This is its event, with the message in its current state.
    Repeated(Event),
}

impl Committed {
    /// The event of the change.
    pub fn into_event(self) -> Event {
        match self {
            Self::New(event) | Self::Repeated(event) => event,
        }
    }
}
