//! What the server tells about rooms, messages and people.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::Error;

/// The role of a user in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Role {
    /// May read, write and react.
    #[default]
    Member,
    /// Has proven to be the owner of the room.
    Owner,
    /// A role that this version of the crate does not know.
    #[serde(other)]
    Other,
}

/// A user in a room.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Chatter {
    /// Begins with `@` if the host site vouches for the user.
    pub id: String,
    /// The name that others see.
    pub display_name: String,
    /// The address of the user's picture.
    pub avatar_url: Option<String>,
    /// Whether the host site vouches for the user.
    pub is_verified: bool,
}

/// Somebody who is in the room now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Person {
    /// The user.
    pub user: Chatter,
    /// The user's role in this room.
    pub role: Role,
}

/// How many users have reacted to a message with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// The number of users.
    pub count: u32,
}

/// A message of a room. Times are in RFC 3339, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Message {
    /// The id; until the server has accepted the message, its `client_message_id`.
    pub id: String,
    /// Its place in the room, from 0; `None` until the server has accepted it.
    pub index: Option<u64>,
    /// Who wrote it.
    pub author: Chatter,
    /// The role of the author when the message was sent.
    pub author_role: Role,
    /// The text; `None` once the message is deleted.
    pub text: Option<String>,
    /// When the server accepted it; `None` until then.
    pub created_at: Option<String>,
    /// When it was last edited.
    pub edited_at: Option<String>,
    /// When it was deleted.
    pub deleted_at: Option<String>,
    /// Who deleted it: its author, or an owner.
    pub deleted_by: Option<Role>,
    /// The id with which its sender repeats it safely.
    pub client_message_id: Option<String>,
    /// The message that this one answers; [`Room::find`](crate::Room::find) loads it.
    pub reply_to_id: Option<String>,
    /// The reactions, the most frequent first.
    pub reactions: Vec<Reaction>,
    /// The emoji with which the user of this client has reacted.
    #[serde(skip)]
    pub my_reactions: Vec<String>,
    /// How far the message is on its way to the server.
    #[serde(skip)]
    pub status: Status,
}

/// How far a message is on its way to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It is in the room.
    #[default]
    Sent,
    /// It is being sent for the first time.
    Sending,
    /// It will be repeated by itself. The error says why it waits.
    Waiting(Error),
    /// [`Room::retry`](crate::Room::retry) or [`Room::discard`](crate::Room::discard) it.
    Failed(Error),
}

/// The settings of a room, which its owner can change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RoomSettings {
    /// The title of the room.
    pub title: Option<String>,
    /// Whether the lists of rooms show the room.
    pub listed: bool,
    /// Maximum number of viewers at once; `None` for no limit.
    pub capacity: Option<u32>,
    /// Seconds between two messages of one user; 0 if slow mode is off.
    pub slow_mode_seconds: u32,
    /// Whether only the owner may write.
    pub locked: bool,
}

/// The ban of a user, who may read the room but not act in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Ban {
    /// The banned user.
    pub user: Chatter,
    /// When the owner banned the user.
    pub at: String,
    /// When the ban ends; `None` if it holds as long as the room exists.
    pub until: Option<String>,
    /// The reason that the owner gave.
    pub reason: Option<String>,
}

/// A listed room, without its code and messages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ActiveRoom {
    /// The id of the room.
    pub id: String,
    /// The title of the room.
    pub title: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// Number of users who have sent a message in it.
    pub chatter_count: u64,
    /// Number of open subscriptions.
    pub viewer_count: u64,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page<T> {
    /// Number of items on all pages.
    pub total_count: u64,
    /// Where the page is in the list.
    pub page_info: PageInfo,
    /// The items of this page.
    pub nodes: Vec<T>,
}

/// Where a page is in its list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PageInfo {
    /// Whether items follow this page.
    pub has_next_page: bool,
    /// `after` of the next page.
    pub end_cursor: Option<String>,
}

/// A room that this client has created. Turn it into [`JoinOptions`](crate::JoinOptions) to join it as its owner.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedRoom {
    /// The id of the room.
    pub room_id: String,
    /// The code that people need to enter.
    pub room_code: String,
    /// Makes its holder the owner of the room, so keep it like a password.
    pub owner_token: String,
    /// When the room ends.
    pub expires_at: String,
}

impl fmt::Debug for CreatedRoom {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room_id, expires_at, .. } = self;
        f.debug_struct("CreatedRoom").field("room_id", room_id).field("expires_at", expires_at).finish_non_exhaustive()
    }
}

/// How a room is connected with its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Connection {
    /// The room has not been read yet.
    #[default]
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// The connection is being restored.
    Lost,
    /// The room has ended.
    Ended,
    /// The room was left, or `error` says why it cannot be read.
    Closed,
}

/// A room as its user sees it: a snapshot, which does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomState {
    /// The id of the room.
    pub room_id: String,
    /// How the room is connected.
    pub connection: Connection,
    /// The last error of the connection; `None` while it is live.
    pub error: Option<Error>,
    /// The messages that are loaded, in their order; those that are being sent come last.
    pub messages: Vec<Arc<Message>>,
    /// Whether [`Room::load_earlier`](crate::Room::load_earlier) would find messages.
    pub has_earlier: bool,
    /// Who is here now: at most 1,000 people.
    pub people: Vec<Person>,
    /// How many are here now.
    pub user_count: u64,
    /// Number of open subscriptions of the room.
    pub viewer_count: u64,
    /// Who is typing, without the user of this client.
    pub typing: Vec<Chatter>,
    /// The settings; `None` until the room has been read.
    pub settings: Option<RoomSettings>,
    /// When the room ends.
    pub expires_at: Option<String>,
    /// The id of this client's user.
    pub user_id: String,
    /// The name of this client's user, if it is known.
    pub display_name: Option<String>,
    /// Whether this client has the owner's token, or the user is shown as an owner.
    pub is_owner: bool,
    /// The ban of this client's user, if it was banned while this client was here.
    pub ban: Option<Ban>,
}

/// Something that has happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomEvent {
    /// Its place in the room's log.
    pub cursor: String,
    /// When the server accepted it; `None` for [`Change::RoomReloaded`].
    pub at: Option<String>,
    /// What has happened.
    pub change: Change,
}

/// What has happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A message was sent.
    MessageSent(Arc<Message>),
    /// The text of a message was replaced.
    MessageEdited(Arc<Message>),
    /// A message was deleted.
    MessageDeleted(Arc<Message>),
    /// The reactions to a message changed, maybe several times.
    ReactionsChanged(Arc<Message>),
    /// The owner changed settings.
    RoomUpdated(RoomSettings),
    /// The owner banned a user.
    UserBanned(Ban),
    /// The owner lifted a ban.
    UserUnbanned(Chatter),
    /// The owner ended the room.
    RoomEnded,
    /// The server has lost its last writes, so the room was read again: messages may be gone.
    RoomReloaded,
}

impl Change {
    /// The message that changed.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Self::MessageSent(message)
            | Self::MessageEdited(message)
            | Self::MessageDeleted(message)
            | Self::ReactionsChanged(message) => Some(message),
            _ => None,
        }
    }
}
