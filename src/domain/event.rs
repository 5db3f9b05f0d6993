//! The events that subscribers of a room receive: the entries of its log, with their messages.

use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;

/// What happened to the message of a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Sent,
    Edited,
    Deleted,
}

/// One accepted change of a room. A live event has its message as of the commit, a replayed event as of the read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// The position to resume from after this event.
    pub position: Position,
    pub at: Timestamp,
    pub message: Message,
}

impl Event {
    /// The room of the message.
    pub const fn room(&self) -> RoomId {
        self.message.id.room
    }
}
