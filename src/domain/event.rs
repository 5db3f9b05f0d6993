//! The events that subscribers of a room receive: the entries of its log, with what they are about.

use crate::domain::ban::Ban;
use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::{RoomId, RoomSettings};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::User;

/// One accepted change of a room. A live event has its message as of the commit, a replayed event as of the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub room: RoomId,
    /// The position to resume from after this event.
    pub position: Position,
    pub at: Timestamp,
    pub kind: EventKind,
}

/// What happened, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    Sent(Message),
    Edited(Message),
    Deleted(Message),
    /// The reactions to the message changed, maybe several times since its last entry of this kind.
    ReactionsChanged(Message),
    /// The settings as of this entry.
    RoomUpdated(RoomSettings),
    UserBanned(Ban),
    UserUnbanned(User),
    /// The owner ended the room. Not an entry of the log, which is gone: its position is that of the reader.
    RoomEnded,
    /// A kind that only newer versions know. Readers pass over it.
    Unknown,
}

impl Event {
    /// The message that the event is about, if it is about one.
    pub const fn message(&self) -> Option<&Message> {
        self.kind.message()
    }
}

impl Event {
    /// The same event with its message in another state.
    #[must_use]
    pub fn with_message(&self, message: Message) -> Self {
        let kind = match &self.kind {
            EventKind::Sent(_) => EventKind::Sent(message),
            EventKind::Edited(_) => EventKind::Edited(message),
            EventKind::Deleted(_) => EventKind::Deleted(message),
            EventKind::ReactionsChanged(_) => EventKind::ReactionsChanged(message),
            other => other.clone(),
        };
        Self { kind, ..*self }
    }
}

impl EventKind {
    /// The message that the event is about, if it is about one.
    pub const fn message(&self) -> Option<&Message> {
        match self {
            Self::Sent(message) | Self::Edited(message) | Self::Deleted(message) | Self::ReactionsChanged(message) => {
                Some(message)
            }
            Self::RoomUpdated(_) | Self::UserBanned(_) | Self::UserUnbanned(_) | Self::RoomEnded | Self::Unknown => {
                None
            }
        }
    }
}
