//! The events of subscriptions: the kinds of events, and the two interfaces that they implement.

use std::sync::Arc;

use async_graphql::{Error, Interface, Object, Result};

use crate::chat::cursor;
use crate::domain::event::{Event, EventKind};
use crate::graphql::schema::message::Message;
use crate::graphql::schema::types::{Ban, Chatter, DateTime, RoomSettings};

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

/// One change of a room: of its messages, their reactions, its settings or its bans, or its end.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "String", desc = "Opaque. Pass it as `after` to resume after this event."),
    field(name = "at", ty = "DateTime", desc = "When the change was accepted.")
)]
pub(in crate::graphql) enum RoomEvent {
    Sent(MessageSent),
    Edited(MessageEdited),
    Deleted(MessageDeleted),
    ReactionsChanged(ReactionsChanged),
    Updated(RoomUpdated),
    Banned(UserBanned),
    Unbanned(UserUnbanned),
    Ended(RoomEnded),
}

impl RoomEvent {
    /// The event as one of the kinds of this interface; `None` if only newer versions know its kind.
    pub(in crate::graphql) fn from_event(event: Arc<Event>) -> Option<Self> {
        Some(match event.kind {
            EventKind::Sent(_) => Self::Sent(MessageSent(event)),
            EventKind::Edited(_) => Self::Edited(MessageEdited(event)),
            EventKind::Deleted(_) => Self::Deleted(MessageDeleted(event)),
            EventKind::ReactionsChanged(_) => Self::ReactionsChanged(ReactionsChanged(event)),
            EventKind::RoomUpdated(_) => Self::Updated(RoomUpdated(event)),
            EventKind::UserBanned(_) => Self::Banned(UserBanned(event)),
            EventKind::UserUnbanned(_) => Self::Unbanned(UserUnbanned(event)),
            EventKind::RoomEnded => Self::Ended(RoomEnded(event)),
            EventKind::Unknown => return None,
        })
    }
}

/// Defines the type of one kind of event, with its own fields in braces.
macro_rules! event {
    ($name:ident, $description:literal, { $($fields:tt)* }) => {
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

            $($fields)*
        }
    };
}

macro_rules! message_event {
    ($name:ident, $description:literal) => {
        event!($name, $description, {
            /// The message that changed.
            async fn message(&self) -> Result<Message> {
                self.0.message().cloned().map(Message::from).ok_or_else(incomplete)
            }
        });
    };
}

message_event!(MessageSent, "A message was sent.");
message_event!(MessageEdited, "The text of a message was replaced.");
message_event!(MessageDeleted, "A message was deleted. Its text is gone from every response.");
message_event!(
    ReactionsChanged,
    "The reactions to a message changed, maybe several times: there is at most one such event for a message and \
     second.\nOnly roomEvents delivers it."
);

event!(RoomUpdated, "The owner changed settings of the room.", {
    /// The settings after the change.
    async fn settings(&self) -> Result<RoomSettings> {
        match &self.0.kind {
            EventKind::RoomUpdated(settings) => Ok(RoomSettings(settings.clone())),
            _ => Err(incomplete()),
        }
    }
});

event!(UserBanned, "The owner banned a user.", {
    /// The ban.
    async fn ban(&self) -> Result<Ban> {
        match &self.0.kind {
            EventKind::UserBanned(ban) => Ok(Ban(ban.clone())),
            _ => Err(incomplete()),
        }
    }
});

event!(UserUnbanned, "The owner lifted the ban of a user.", {
    /// The user.
    async fn user(&self) -> Result<Chatter> {
        match &self.0.kind {
            EventKind::UserUnbanned(user) => Ok(user.clone().into()),
            _ => Err(incomplete()),
        }
    }
});

event!(
    RoomEnded,
    "The owner ended the room. The last event; the subscription completes after it. A room whose time is \
     over\ncompletes without it.",
    {}
);

/// An event whose type does not fit its content: a defect of the server.
fn incomplete() -> Error {
    Error::new("an event without its content")
}
