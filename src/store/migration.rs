//! What a migration to another store copies besides the states, messages and logs of rooms.

use crate::domain::ban::Ban;
use crate::domain::reaction::Emoji;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::{Role, User, UserId};
use crate::store::admission::PresentedToken;
use crate::store::changes::AddressHash;

/// A stored user with everything that its tokens need to stay valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    pub user: User,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The previous token, with the current one sealed under it.
    pub previous: Option<PresentedToken>,
    pub expires_at: Timestamp,
}

/// A user of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    pub user: User,
    pub role: Role,
    /// The last known address from which the user wrote, reacted or joined.
    pub address: Option<AddressHash>,
    /// The place among the users who have sent a message, from 0. `None` if the user has only joined.
    pub index: Option<u64>,
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRecord {
    /// The number of its log entry.
    pub index: u64,
    pub ban: Ban,
    /// The address that it also forbids.
    pub address: Option<AddressHash>,
}

/// When a user or an address sent its last message that slow mode counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSent {
    pub sender: Sender,
    pub at: Timestamp,
}

/// A sender that slow mode knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    User(UserId),
    Address(AddressHash),
}

/// One user's reaction to a message with one emoji, maybe removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionRecord {
    /// The index of the message.
    pub message: u64,
    pub user: UserId,
    pub emoji: Emoji,
    /// Whether the message has it now.
    pub is_on: bool,
    /// How often it was added and removed.
    pub toggles: u32,
}

/// When a message had its last log entry about reactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionEntryTimes {
    /// The index of the message.
    pub message: u64,
    pub logged_at: Timestamp,
    /// When the next entry is due, if the message is marked.
    pub due: Option<Timestamp>,
}
