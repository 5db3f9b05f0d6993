//! The [`Store`] trait: its contract, and the types of its operations.
//!
//! [`embedded`] stores everything in this process's data directory, [`redis`] in a Redis shared by many processes.
//! [`measured`] wraps either. One conformance suite (`tests/store/conformance`) holds both to the contract. A store decides
//! no rules of the service: it applies a change if the given precondition still holds, and reports why if not.

mod admission;
mod changes;
pub mod embedded;
mod error;
mod feed;
mod lockouts;
pub mod measured;
mod migration;
mod presence;
pub mod redis;
mod room_state;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::domain::event::Event;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::presence::Typing;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::UserId;

pub use crate::store::admission::{Admission, Admitted, PresentedToken};
pub use crate::store::changes::{
    Actor, AddressHash, Change, Commit, Committed, NewMessage, Reacted, Reaction, RoomLimits, Sent,
};
pub use crate::store::error::{BoxError, Denial, StoreError};
pub use crate::store::feed::{Feed, FeedItem};
pub use crate::store::lockouts::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureCounters, FailureOutcome, FailureRecord, InvalidLockoutPolicy,
    LockoutPolicy, Subject,
};
pub use crate::store::migration::{
    BanRecord, LastSent, MemberRecord, ReactionEntryTimes, ReactionRecord, Sender, UserRecord,
};
pub use crate::store::presence::{PresenceReport, PresentUsers};
pub use crate::store::room_state::{ActiveRooms, BanPage, Member, NewRoom, RoomState, RoomVersion, Snapshot, UserPage};

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
///     with unsigned ids at the last known address from which the user did any of this. An unknown address is never banned, and
///     never replaces a known one. An owner cannot be banned. A lifted, replaced or expired ban forbids nothing.
/// 17. In slow mode, the times of two messages of a user are never closer than the setting, under contention too. When the setting
///     is raised, the last [`SLOW_MODE_LOOKBACK`] messages of the room count, too. The first message of a user with an unsigned id
///     also counts against its address, if that is known: against other first messages from there in slow mode.
/// 18. Each reaction counts once, under any concurrency. Changes of reactions without an entry of their own end in one entry with the
///     final counts, even if the node that made them is gone. They never take the space of other changes: see
///     `RoomLimits::allow_reaction`. A mark reserves its entry. A deletion removes the reactions and the mark of its message.
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

    /// Reads a user of the room: one that has sent a message or has joined. `None` if there is no such user. Bans are decided as
    /// for an action of the user from `address`. Fails with [`StoreError::NotFound`] if there is no such room.
    async fn member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError>;

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
    /// [`PRESENT_USERS_MAX`](crate::domain::presence::PRESENT_USERS_MAX) of them, and how many there are in all, except further ones
    /// whom this node reports, too.
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

/// How many of the messages before a change of slow mode count in it. They are read in the step of that change, because sends in other
/// rooms store no time of their author's last message.
pub const SLOW_MODE_LOOKBACK: u32 = 1_000;

/// How many clients a room trusts. Further clients with the right code still enter, and are counted each time.
pub const TRUSTED_CLIENTS_MAX: usize = 50_000;
