//! Decodes replies of scripts: an outcome, followed by values that are read in order.

use std::vec::IntoIter;

use redis::Value;

use crate::domain::position::{Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::redis::codec::{self, DecodeError};
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
        let Value::Array(values) = reply else { return Err(DecodeError("a reply").into()) };
        let mut values = values.into_iter();
        let outcome = decode_string(values.next())?;
        match outcome.as_str() {
            "not_found" => Err(StoreError::NotFound),
            "conflict" => Err(StoreError::Conflict),
            "full" => Err(StoreError::Full),
            "edit_limit" => Err(StoreError::EditLimit),
            "foreign" => Err(StoreError::ForeignPosition),
            "corrupt" => Err(DecodeError("a record").into()),
            _ => Ok(Self { outcome, values }),
        }
    }

    /// The outcome, other than a rejection.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }

    /// Reads the outcome of a script's second step, in place of that of the first.
    pub fn read_outcome(&mut self) -> Result<(), DecodeError> {
        self.outcome = self.string()?;
        Ok(())
    }

    /// The error for an unexpected outcome.
    pub fn unexpected_outcome(&self) -> StoreError {
        DecodeError("an outcome").into()
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        decode_string(self.values.next())
    }

    /// Reads a number.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        codec::decode_number(&self.string()?)
    }

    /// Reads the eight values of a room's state.
    pub fn room_state(&mut self, id: RoomId) -> Result<RoomState, DecodeError> {
        let now = codec::decode_timestamp(&self.string()?)?;
        let code = RoomCode::from_stored(self.string()?);
        let created_at = codec::decode_timestamp(&self.string()?)?;
        let expires_at = codec::decode_timestamp(&self.string()?)?;
        let head = Position { seq: Seq(self.number()?), tag: codec::decode_tag(&self.string()?)? };
        let (message_count, user_count) = (self.number()?, self.number()?);
        Ok(RoomState { room: Room { id, code, created_at, expires_at }, now, head, message_count, user_count })
    }

    /// Reads the result of an authentication, of which the outcome is a part.
    pub fn admitted(&mut self, id: UserId) -> Result<Admitted, StoreError> {
        match self.outcome() {
            "created" => Ok(Admitted::Created(self.user(id)?)),
            "rotated" => Ok(Admitted::Rotated(self.user(id)?)),
            "repeated" => {
                let user = self.user(id)?;
                Ok(Admitted::Repeated(user, codec::decode_sealed(&self.string()?)?))
            }
            "unknown" => Ok(Admitted::Unknown),
            "wrong_token" => Ok(Admitted::WrongToken),
            _ => Err(self.unexpected_outcome()),
        }
    }

    fn user(&mut self, id: UserId) -> Result<User, DecodeError> {
        Ok(User { id, display_name: DisplayName::from_stored(self.string()?) })
    }

    /// Reads the result of a commit, of which the outcome is a part.
    pub fn committed(&mut self, room: RoomId) -> Result<Committed, StoreError> {
        let event = codec::decode_event(room, &self.string()?)?;
        match self.outcome() {
            "new" => Ok(Committed::New(event)),
            "repeated" => Ok(Committed::Repeated(event)),
            _ => Err(self.unexpected_outcome()),
        }
    }

    /// Whether all values have been read.
    pub fn is_empty(&self) -> bool {
        self.values.as_slice().is_empty()
    }

    /// Reads all remaining values.
    pub fn strings(self) -> impl Iterator<Item = Result<String, DecodeError>> {
        self.values.map(|value| decode_string(Some(value)))
    }
}

fn decode_string(value: Option<Value>) -> Result<String, DecodeError> {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8(bytes).map_err(|_| DecodeError("a string")),
        _ => Err(DecodeError("a reply")),
    }
}
