//! Decodes replies of scripts: an outcome, followed by values that are read in order.

use std::time::Duration;
use std::vec::IntoIter;

use redis::Value;

use crate::domain::event::Event;
use crate::domain::message::{Message, MessageId};
use crate::domain::position::{Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::user::{DisplayName, Role, User, UserId};
use crate::store::redis::codec::{self, DecodeError};
use crate::store::redis::event_codec::{self, ENTRY_LENGTH};
use crate::store::{Admitted, Committed, Denial, RoomState, StoreError};

/// The reply of a script.
#[derive(Debug)]
pub struct Reply {
    outcome: String,
    values: IntoIter<Value>,
}

impl Reply {
    /// Reads the outcome. Rejections become the matching [`StoreError`].
    pub fn parse(reply: Value) -> Result<Self, StoreError> {
        let values = match reply {
            Value::Array(values) => values,
            Value::BulkString(mut entry) if entry.len() > ENTRY_LENGTH => {
                // The usual outcome of `send.lua`.
                let name = entry.split_off(ENTRY_LENGTH);
                [b"rotated".to_vec(), name, b"new".to_vec(), entry].map(Value::BulkString).into()
            }
            _ => return Err(DecodeError("a reply").into()),
        };
        let mut reply = Self { outcome: String::new(), values: values.into_iter() };
        reply.read_outcome()?;
        Ok(reply)
    }

    /// Reads the outcome of a script's second step, which replaces that of the first.
    pub fn read_outcome(&mut self) -> Result<(), StoreError> {
        self.outcome = self.string()?;
        match self.outcome.as_str() {
            "not_found" => Err(StoreError::NotFound),
            "conflict" => Err(StoreError::Conflict),
            "full" => Err(StoreError::Full),
            "edit_limit" => Err(StoreError::EditLimit),
            "foreign" => Err(StoreError::ForeignPosition),
            "no_target" => Err(StoreError::NoSuchTarget),
            "banned" => Err(StoreError::Denied(Denial::Banned { until: codec::optional_time(self.number()?) })),
            "locked" => Err(StoreError::Denied(Denial::Locked)),
            "slow" => Err(StoreError::Denied(Denial::SlowMode { retry_after: Duration::from_millis(self.number()?) })),
            "is_owner" => Err(StoreError::Denied(Denial::IsOwner)),
            "corrupt" => Err(DecodeError("a record").into()),
            _ => Ok(()),
        }
    }

    /// The outcome, other than a rejection.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }

    /// The error for an unexpected outcome.
    pub fn unexpected_outcome(&self) -> StoreError {
        DecodeError("an outcome").into()
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        String::from_utf8(self.bytes()?).map_err(|_| DecodeError("a string"))
    }

    /// Reads strings, whose number comes first.
    pub fn strings(&mut self) -> Result<Vec<String>, DecodeError> {
        (0..self.number()?).map(|_| self.string()).collect()
    }

    /// Reads bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        let Some(Value::BulkString(bytes)) = self.values.next() else { return Err(DecodeError("a reply")) };
        Ok(bytes)
    }

    /// Reads a number.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        codec::decode_number(&self.string()?)
    }

    /// Reads milliseconds, or nothing.
    pub fn optional_duration(&mut self) -> Result<Option<Duration>, DecodeError> {
        let millis = self.string()?;
        if millis.is_empty() { Ok(None) } else { codec::decode_number(&millis).map(Duration::from_millis).map(Some) }
    }

    /// Reads a room: the time, its state and the rest of it.
    pub fn room_state(&mut self, id: RoomId) -> Result<RoomState, DecodeError> {
        let now = codec::decode_timestamp(&self.string()?)?;
        codec::decode_room(id, &self.bytes()?, &self.bytes()?, |_| now)
    }

    /// Reads the number and the tag of a log entry.
    pub fn position(&mut self) -> Result<Position, DecodeError> {
        Ok(Position { seq: Seq(self.number()?), tag: codec::take_tag(&mut &self.bytes()?[..])? })
    }

    /// Reads a message.
    pub fn message(&mut self, room: RoomId) -> Result<Message, DecodeError> {
        Ok(event_codec::decode_message(room, &self.bytes()?)?.message)
    }

    /// Reads a log entry and the current state of its message, if it is about one.
    pub fn event(&mut self, room: RoomId) -> Result<Event, DecodeError> {
        let bytes = self.bytes()?;
        let (entry, payload) = event_codec::decode_entry(&bytes)?;
        if entry.has_message() {
            Ok(entry.into_message_event(room, self.message(room)?))
        } else {
            entry.into_other_event(room, payload)
        }
    }

    /// Reads the result of an authentication, which begins with the outcome.
    pub fn admitted(&mut self, id: UserId) -> Result<Admitted, StoreError> {
        match self.outcome() {
            "created" => Ok(Admitted::Created(self.user(id)?)),
            "rotated" => Ok(Admitted::Rotated(self.user(id)?)),
            "repeated" => Ok(Admitted::Repeated(self.user(id)?, codec::decode_sealed(&self.bytes()?)?)),
            "unknown" => Ok(Admitted::Unknown),
            "wrong_token" => Ok(Admitted::WrongToken),
            _ => Err(self.unexpected_outcome()),
        }
    }

    fn user(&mut self, id: UserId) -> Result<User, DecodeError> {
        Ok(User { id, display_name: DisplayName::from_stored(self.string()?), avatar_url: None })
    }

    /// Reads the result of `commit_send`, which begins with the outcome. The reply omits a new message, because the caller has
    /// it:
    /// `complete` adds the author and what the author wrote.
    pub fn committed_send(
        &mut self,
        room: RoomId,
        author: User,
        complete: impl FnOnce(&mut Message),
    ) -> Result<Committed, StoreError> {
        let author_role = match self.outcome() {
            "repeated" => return Ok(Committed::Repeated(self.event(room)?)),
            "new" => Role::Member,
            "new_by_owner" => Role::Owner,
            _ => return Err(self.unexpected_outcome()),
        };
        let entry = event_codec::decode_entry(&self.bytes()?)?.0;
        let id = MessageId { room, index: entry.index };
        let mut message = Message { author_role, ..Message::new(id, author, entry.at, entry.position.seq) };
        complete(&mut message);
        Ok(Committed::New(entry.into_message_event(room, message)))
    }

    /// Whether all values have been read.
    pub fn is_empty(&self) -> bool {
        self.values.as_slice().is_empty()
    }
}

/// The bytes of a value.
pub fn decode_bytes(value: &Value) -> Result<&[u8], DecodeError> {
    let Value::BulkString(bytes) = value else { return Err(DecodeError("a reply")) };
    Ok(bytes)
}
