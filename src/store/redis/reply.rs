//! Decodes replies of scripts: an outcome, followed by values that are read in order.

use std::vec::IntoIter;

use redis::Value;

use crate::domain::event::Event;
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::room::RoomId;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::redis::codec::{self, DecodeError, ENTRY_LENGTH};
use crate::store::{Admitted, Committed, RoomState, StoreError};

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

    /// Reads bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        let Some(Value::BulkString(bytes)) = self.values.next() else { return Err(DecodeError("a reply")) };
        Ok(bytes)
    }

    /// Reads a number.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        codec::decode_number(&self.string()?)
    }

    /// Reads a room: the time, its state and its code.
    pub fn room_state(&mut self, id: RoomId) -> Result<RoomState, DecodeError> {
        let now = codec::decode_timestamp(&self.string()?)?;
        codec::decode_room(id, &self.bytes()?, &self.bytes()?, |_| now)
    }

    /// Reads a log entry and the current state of its message.
    pub fn event(&mut self, room: RoomId) -> Result<Event, DecodeError> {
        codec::decode_entry(&self.bytes()?)?.0.into_event(codec::decode_message(room, &self.bytes()?)?)
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
        Ok(User { id, display_name: DisplayName::from_stored(self.string()?) })
    }

    /// Reads the result of `commit_send`, which begins with the outcome. The reply omits a new message, because the caller has it.
    pub fn committed_send(
        &mut self,
        room: RoomId,
        author: User,
        text: MessageText,
        client_message_id: Option<ClientMessageId>,
    ) -> Result<Committed, StoreError> {
        match self.outcome() {
            "repeated" => Ok(Committed::Repeated(self.event(room)?)),
            "new" => {
                let entry = codec::decode_entry(&self.bytes()?)?.0;
                let message = Message {
                    id: MessageId { room, index: entry.index },
                    author,
                    text: Some(text),
                    created_at: entry.at,
                    edited_at: None,
                    deleted_at: None,
                    client_message_id,
                    revision: entry.position.seq,
                };
                Ok(Committed::New(entry.into_event(message)?))
            }
            _ => Err(self.unexpected_outcome()),
        }
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
