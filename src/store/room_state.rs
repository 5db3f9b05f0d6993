//! Rooms as a store reads them: their states, and pages of what is in them.

use std::time::Duration;

use crate::domain::ban::Ban;
use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::{Role, User};

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

/// A user of a room, as stored in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub role: Role,
    /// The end of the ban that holds for the user, or for the address that it acts from: `Some(None)` for the room's life.
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
