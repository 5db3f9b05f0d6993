//! What callers choose: how a client connects, which room it joins, and as whom.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::CreatedRoom;

/// How a [`LiveChat`](crate::LiveChat) connects, and where it keeps its users.
#[derive(Clone, Default)]
pub struct Options {
    /// Time limits and delays.
    pub timing: Timing,
    /// Where users and their tokens are kept. By default, only in memory.
    pub storage: Option<Arc<dyn Storage>>,
}

/// Time limits and delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time limit of a handshake; default 8 s.
    pub open: Duration,
    /// Silence of the server after which a ping is sent; default 25 s.
    pub ping: Duration,
    /// Time limit of the response to a ping, and of a write; default 8 s.
    pub pong: Duration,
    /// Time limit of a request; default 10 s.
    pub request: Duration,
    /// Delay after the first failure; default 500 ms. It doubles with each further one.
    pub min_retry: Duration,
    /// Longest delay; default 15 s.
    pub max_retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(8),
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(8),
            request: Duration::from_secs(10),
            min_retry: Duration::from_millis(500),
            max_retry: Duration::from_secs(15),
        }
    }
}

/// Keeps values between runs of a program, for example in a file, so that its users stay the same. Called seldom, with a few
/// hundred bytes; must not block for long.
pub trait Storage: Send + Sync {
    /// The value that was saved under this name.
    fn load(&self, name: &str) -> Option<String>;
    /// Saves a value, which contains a secret.
    fn save(&self, name: &str, value: &str);
}

/// A room to join, and as whom.
///
/// ```
/// # use livechat_client::{JoinOptions, User};
/// let room = JoinOptions::new("0123456789abcdef0123456789abcdef", "123456");
/// let options = JoinOptions { user: User::named("Ada"), ..room };
/// ```
#[derive(Clone)]
pub struct JoinOptions {
    /// The id of the room.
    pub room_id: String,
    /// The code of the room.
    pub room_code: String,
    /// The user. By default, one for all rooms of a [`LiveChat`](crate::LiveChat).
    pub user: User,
    /// Takes the place of `user` if your site vouches for it.
    pub identity: Option<Identity>,
    /// The token that `create_room` returned to the owner.
    pub owner_token: Option<String>,
    /// Whether others see the user in the room before it writes; default true.
    pub is_visible: bool,
}

impl JoinOptions {
    /// The room with this id and code.
    pub fn new(room_id: impl Into<String>, room_code: impl Into<String>) -> Self {
        Self {
            room_id: room_id.into(),
            room_code: room_code.into(),
            user: User::default(),
            identity: None,
            owner_token: None,
            is_visible: true,
        }
    }
}

impl fmt::Debug for JoinOptions {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOptions").field("room_id", &self.room_id).field("user", &self.user).finish_non_exhaustive()
    }
}

impl From<CreatedRoom> for JoinOptions {
    fn from(room: CreatedRoom) -> Self {
        let owner_token = Some(room.owner_token);
        Self { owner_token, ..Self::new(room.room_id, room.room_code) }
    }
}

impl From<&CreatedRoom> for JoinOptions {
    fn from(room: &CreatedRoom) -> Self {
        room.clone().into()
    }
}

/// A user without an identity.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The id, 10 to 128 characters; `None` for the user that all rooms of a [`LiveChat`](crate::LiveChat) share. If the server no
    /// longer knows that one, the client continues as a new one with the same name.
    pub id: Option<String>,
    /// The token of the last action of the user with this id, unless this client has a newer one.
    pub token: Option<String>,
    /// The name that others see.
    pub display_name: Option<String>,
}

impl User {
    /// The user that all rooms of a client share, with this name.
    pub fn named(display_name: impl Into<String>) -> Self {
        Self { display_name: Some(display_name.into()), ..Self::default() }
    }
}

impl fmt::Debug for User {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, display_name, .. } = self;
        f.debug_struct("User").field("id", id).field("display_name", display_name).finish_non_exhaustive()
    }
}

type TokenFuture = Pin<Box<dyn Future<Output = String> + Send>>;

/// Gets the token with which your site vouches for its user.
#[derive(Clone)]
pub struct Identity(Arc<dyn Fn() -> TokenFuture + Send + Sync>);

impl Identity {
    /// Calls `token` before each action. It returns a current token, and has as much time as a request.
    pub fn new<F, T>(token: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = String> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(token())))
    }

    pub(crate) async fn token(&self) -> String {
        (self.0)().await
    }
}

impl From<String> for Identity {
    /// A token that is valid for as long as it is used.
    fn from(token: String) -> Self {
        Self::new(move || std::future::ready(token.clone()))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// The settings of a room to create. Absent ones have the server's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRoom {
    /// The title, 1 to 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether the lists of rooms show the room; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// Maximum number of viewers at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Seconds between two messages of one user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_mode_seconds: Option<u32>,
    /// The identity of the creator, where the server asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// Settings to change. Absent ones stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSettings {
    /// The title; `Some(None)` for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    /// Whether the lists of rooms show the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// Maximum number of viewers at once; `Some(None)` for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Option<u32>>,
    /// Seconds between two messages of one user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_mode_seconds: Option<u32>,
    /// Whether only the owner may write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// How a user is banned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BanOptions {
    /// How long the ban holds; `None` for as long as the room exists.
    pub seconds: Option<u32>,
    /// The reason, which everyone in the room can read.
    pub reason: Option<String>,
    /// Whether to remove the user's messages as well.
    pub remove_messages: bool,
}
