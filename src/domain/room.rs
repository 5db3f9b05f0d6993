//! Rooms: their ids, codes and lifetimes.

use std::fmt;
use std::time::Duration;

use rand::RngExt as _;
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;
use crate::domain::violation::{Field, Violation};

/// Identifies a room: a version 4 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Uuid);

impl RoomId {
    /// A new, unique id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Parses 32 hex digits.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let uuid = Some(text).filter(|text| text.len() == 32).and_then(|text| Uuid::try_parse(text).ok());
        uuid.map(Self).ok_or_else(|| Field::RoomId.invalid("must be 32 hex digits"))
    }

    /// The id from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// 32 lower-case hex digits.
impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

/// The secret code of a room: decimal digits, returned to the room's creator.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomCode(String);

impl RoomCode {
    /// A new code of `digits` decimal digits from a cryptographically secure generator.
    pub fn random(digits: usize) -> Self {
        let mut rng = rand::rng();
        Self((0..digits).map(|_| char::from(b'0' + rng.random_range(0..10u8))).collect())
    }

    /// Wraps a code that was stored.
    pub const fn from_stored(code: String) -> Self {
        Self(code)
    }

    /// The digits. Only for the creator, for clients that proved they know them, and for a store.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Hides the digits, so that codes never reach a log.
impl fmt::Debug for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomCode(…)")
    }
}

/// The part of a room that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub id: RoomId,
    pub code: RoomCode,
    pub created_at: Timestamp,
    /// From this time on the room does not exist for any operation.
    pub expires_at: Timestamp,
}

impl Room {
    /// The time until the room expires; zero if it has expired.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_parses_in_either_case() {
        let id = RoomId::random();
        assert_eq!(RoomId::parse(&id.to_string()), Ok(id));
        assert_eq!(RoomId::parse(&id.to_string().to_uppercase()), Ok(id));
    }

    #[test]
    fn malformed_room_ids_are_rejected() {
        let id = RoomId::random();
        let hyphenated = Uuid::from_bytes(*id.as_bytes()).to_string();
        for text in ["", "1", "None", &hyphenated, &format!("{id}0"), &format!("room:*{id}"), &"g".repeat(32)] {
            assert!(RoomId::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_code_has_the_given_length_and_is_hidden_in_debug_output() {
        let code = RoomCode::random(6);
        assert_eq!(code.reveal().len(), 6);
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
