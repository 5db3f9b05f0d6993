//! Rooms: their id, their code, their life.

use std::fmt;
use std::time::Duration;

use rand::RngExt as _;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;
use crate::domain::violation::{Field, Violation};

/// What legacy callers write before the 32 digits of a room id.
const LEGACY_PREFIX: &str = "room:*";

/// Names a room for its whole life: a version 4 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Uuid);

impl RoomId {
    /// A new id that no other room has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads 32 hex digits, or `room:*` and 32 hex digits. Anything else violates [`Field::RoomId`].
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let digits = text.strip_prefix(LEGACY_PREFIX).unwrap_or(text);
        if digits.len() != 32 {
            return Err(Self::invalid());
        }
        Uuid::try_parse(digits).map(Self).map_err(|_| Self::invalid())
    }

    fn invalid() -> Violation {
        Field::RoomId.invalid("must be 32 hex digits")
    }

    /// The id from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id as the legacy routes write it: `room:*` and 32 hex digits.
    pub fn legacy(&self) -> String {
        format!("{LEGACY_PREFIX}{self}")
    }
}

/// 32 lower-case hex digits.
impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

/// What opens a room: decimal digits, given to its creator.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomCode(String);

impl RoomCode {
    /// A new code of `digits` decimal digits from the operating system's cryptographic source.
    pub fn random(digits: usize) -> Self {
        let mut rng = rand::rng();
        Self((0..digits).map(|_| char::from(b'0' + rng.random_range(0..10u8))).collect())
    }

    /// A code that a store kept.
    pub const fn from_stored(code: String) -> Self {
        Self(code)
    }

    /// Whether `given` is this code, in time that does not depend on where the two differ.
    pub fn opens_with(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The digits, for whoever has shown that they know them, and for a store.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Hides the digits: codes never reach a log.
impl fmt::Debug for RoomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomCode(…)")
    }
}

/// What never changes about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub id: RoomId,
    pub code: RoomCode,
    pub created_at: Timestamp,
    /// From this moment on the room is absent everywhere.
    pub expires_at: Timestamp,
}

impl Room {
    /// How much of its life is left at `now`; zero once it is over.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_room_id_name_the_same_room() {
        let id = RoomId::random();
        assert_eq!(RoomId::parse(&id.to_string()), Ok(id));
        assert_eq!(RoomId::parse(&id.legacy()), Ok(id));
        assert_eq!(RoomId::parse(&id.to_string().to_uppercase()), Ok(id));
    }

    #[test]
    fn what_is_not_a_room_id_is_refused() {
        let id = RoomId::random();
        let hyphenated = Uuid::from_bytes(*id.as_bytes()).to_string();
        for text in ["", "1", "room:*", "None", &hyphenated, &format!("{id}0"), &format!("room:{id}"), &"g".repeat(32)]
        {
            assert!(RoomId::parse(text).is_err(), "{text} was taken for a room id");
        }
    }

    #[test]
    fn a_code_opens_with_itself_only_and_never_shows_in_debug_output() {
        let code = RoomCode::random(6);
        assert_eq!(code.reveal().len(), 6);
        assert!(code.opens_with(code.reveal()));
        assert!(!code.opens_with(&code.reveal()[..5]));
        assert!(!code.opens_with(""));
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
