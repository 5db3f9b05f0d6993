//! Types that several parts of the schema share: times, users, settings, bans and listed rooms. Messages are in `message`, events in
//! `events`, and the type of an opened room is in `room`.

use std::fmt;

use async_graphql::{Context, Enum, ID, Object, Result, Scalar, ScalarType, Value};
use serde::{Serialize, Serializer};

use crate::chat::RoomState;
use crate::domain::room::RoomTitle;
use crate::domain::timestamp::Timestamp;
use crate::domain::{ban, room, user};
use crate::graphql::schema::reads;
use crate::graphql::schema::response_budget::count_text;

pub(in crate::graphql) struct DateTime(pub(in crate::graphql) Timestamp);

/// A time in RFC 3339, in UTC and to the millisecond: `2026-01-31T12:34:56.789Z`.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(_: Value) -> async_graphql::InputValueResult<Self> {
        Err("a DateTime cannot be sent as input".into())
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(in crate::graphql) struct ActiveRoom {
    pub(in crate::graphql) state: RoomState,
    /// Number of its viewers, if read for the whole page.
    pub(in crate::graphql) viewers: Option<u32>,
}

/// A room without its code and messages, as everyone may see it.
#[Object]
impl ActiveRoom {
    /// 32 hex digits.
    async fn id(&self) -> ID {
        self.state.room.id.to_string().into()
    }

    /// The title that the owner gave the room, if any.
    async fn title(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        title(ctx, self.state.settings.title.as_ref())
    }

    /// When the room was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.state.room.created_at)
    }

    /// When the room ends.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.state.room.expires_at)
    }

    /// Number of distinct users who have sent a message in this room.
    async fn chatter_count(&self) -> u64 {
        self.state.user_count
    }

    /// Number of open subscriptions of this room, on all servers.
    async fn viewer_count(&self, ctx: &Context<'_>) -> Result<u32> {
        match self.viewers {
            Some(viewers) => Ok(viewers),
            None => Ok(reads::viewers(ctx, &[self.state.room.id]).await?.iter().sum()),
        }
    }
}

pub(in crate::graphql) struct Chatter(user::User);

impl From<user::User> for Chatter {
    fn from(chatter: user::User) -> Self {
        Self(chatter)
    }
}

/// A user in a room.
#[Object]
impl Chatter {
    /// The user's id, chosen by the client or assigned by the server.
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        Ok(count_text(ctx, self.0.id.as_str())?.into())
    }

    /// The name given with the user's first message, or by the host site that vouches for the user.
    async fn display_name(&self, ctx: &Context<'_>) -> Result<&str> {
        count_text(ctx, self.0.display_name.as_str())
    }

    /// The https address of the user's picture, from a signed identity; null without one.
    async fn avatar_url(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.0.avatar_url.as_ref().map(|url| count_text(ctx, url.as_str())).transpose()
    }

    /// Whether the host site vouches for this user. The id of such a user begins with `@`, and no other id does.
    async fn is_verified(&self) -> bool {
        self.0.id.is_signed()
    }
}

/// The role of a user in a room.
#[derive(Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[graphql(name = "ChatterRole", remote = "user::Role")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::graphql) enum ChatterRole {
    /// May read, write and react.
    Member,
    /// Has proven to be the owner of the room. Slow mode and the lock do not apply.
    Owner,
}

pub(in crate::graphql) struct RoomSettings(pub(in crate::graphql) room::RoomSettings);

/// The settings of a room, which its owner can change.
#[Object]
impl RoomSettings {
    /// The title of the room; null without one.
    async fn title(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        title(ctx, self.0.title.as_ref())
    }

    /// Whether the lists of rooms show the room.
    async fn listed(&self) -> bool {
        self.0.listed
    }

    /// Maximum number of viewers at once, on all servers; null for no limit. Further ones get ROOM_AT_CAPACITY. A soft limit:
    /// the counts of other servers are some seconds old.
    async fn capacity(&self) -> Option<u32> {
        self.0.capacity
    }

    /// Seconds between two messages of one user; 0 if slow mode is off. Owners are exempt.
    async fn slow_mode_seconds(&self) -> u32 {
        self.0.slow_mode_seconds
    }

    /// Whether only the owner may write, edit and react. Everyone may still delete.
    async fn locked(&self) -> bool {
        self.0.locked
    }
}

/// The title of a room, as part of the response.
pub(super) fn title<'a>(ctx: &Context<'_>, title: Option<&'a RoomTitle>) -> Result<Option<&'a str>> {
    title.map(|title| count_text(ctx, title.as_str())).transpose()
}

pub(in crate::graphql) struct Ban(pub(in crate::graphql) ban::Ban);

/// The ban of a user, who may read the room but not act in it.
#[Object]
impl Ban {
    /// The banned user.
    async fn user(&self) -> Chatter {
        Chatter(self.0.user.clone())
    }

    /// When the owner banned the user.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }

    /// When the ban ends; null if it holds as long as the room exists.
    async fn until(&self) -> Option<DateTime> {
        self.0.until.map(DateTime)
    }

    /// The reason that the owner gave, if any. Everyone in the room can read it.
    async fn reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.0.reason.as_ref().map(|reason| count_text(ctx, reason.as_str())).transpose()
    }
}
