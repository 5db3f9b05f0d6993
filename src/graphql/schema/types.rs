//! The object types of the schema: messages, chatters, events and listed rooms. The type of an opened room is in `room`.

use std::fmt;
use std::sync::Arc;

use async_graphql::{Context, Error, ID, Interface, Object, Result, Scalar, ScalarType, Value};
use serde::{Serialize, Serializer};

use crate::chat::{RoomState, cursor};
use crate::domain::event::{Event, EventKind};
use crate::domain::timestamp::Timestamp;
use crate::domain::{message, user};
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

/// Bytes of the texts of these messages.
pub(in crate::graphql) fn text_bytes(messages: &[message::Message]) -> usize {
    messages.iter().map(|message| message.text.as_ref().map_or(0, |text| text.as_str().len())).sum()
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

    /// The name given with the user's first message.
    async fn display_name(&self, ctx: &Context<'_>) -> Result<&str> {
        count_text(ctx, self.0.display_name.as_str())
    }
}

pub(in crate::graphql) struct Message(pub(in crate::graphql) message::Message);

/// A message in its current state.
#[Object]
impl Message {
    /// Unique across all rooms.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Index in its room, from 0. The legacy routes call it message_id.
    async fn index(&self) -> u64 {
        self.0.id.index
    }

    /// The author.
    async fn author(&self) -> Chatter {
        Chatter(self.0.author.clone())
    }

    /// The text; null once the message is deleted.
    async fn text(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        self.0.text.as_ref().map(|text| count_text(ctx, text.as_str())).transpose()
    }

    /// When the message was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the message was last edited; null if never.
    async fn edited_at(&self) -> Option<DateTime> {
        self.0.edited_at.map(DateTime)
    }

    /// When the message was deleted; null if it is not deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// The sender's clientMessageId, to match optimistic entries.
    async fn client_message_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        self.0.client_message_id.as_ref().map(|id| Ok(count_text(ctx, id.as_str())?.into())).transpose()
    }
}

/// One change of a room's messages. The message is in its current state, so an event that is replayed from a cursor shows
/// later edits, and no text once the message is deleted.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "String", desc = "Opaque. Pass it as `after` to resume after this event."),
    field(name = "at", ty = "DateTime", desc = "When the change was accepted."),
    field(name = "message", ty = "Message", desc = "The message that changed.")
)]
pub(in crate::graphql) enum MessageEvent {
    Sent(MessageSent),
    Edited(MessageEdited),
    Deleted(MessageDeleted),
}

impl MessageEvent {
    /// The event as one of the three kinds that this interface has; `None` if it is another one.
    pub(in crate::graphql) fn from_event(event: Arc<Event>) -> Option<Self> {
        match event.kind {
            EventKind::Sent(_) => Some(Self::Sent(MessageSent(event))),
            EventKind::Edited(_) => Some(Self::Edited(MessageEdited(event))),
            EventKind::Deleted(_) => Some(Self::Deleted(MessageDeleted(event))),
            _ => None,
        }
    }
}

macro_rules! message_event {
    ($name:ident, $description:literal) => {
        pub(in crate::graphql) struct $name(Arc<Event>);

        #[doc = $description]
        #[Object]
        impl $name {
            /// Opaque. Pass it as `after` to resume after this event.
            async fn cursor(&self) -> String {
                cursor::encode_event(self.0.room, self.0.position)
            }

            /// When the change was accepted.
            async fn at(&self) -> DateTime {
                DateTime(self.0.at)
            }

            /// The message that changed.
            async fn message(&self) -> Result<Message> {
                self.0.message().cloned().map(Message).ok_or_else(|| Error::new("an event without its message"))
            }
        }
    };
}

message_event!(MessageSent, "A message was sent.");
message_event!(MessageEdited, "The text of a message was replaced.");
message_event!(MessageDeleted, "A message was deleted. Its text is gone from every response.");
