//! Rooms: their ids, codes and lifetimes.

use std::fmt;
use std::time::Duration;

use rand::RngExt as _;
use uuid::Uuid;

use crate::domain::limits::{ROOM_TITLE_MAX, validate_text};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
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

/// 128 random bits of a room that never leave the server: the key of the hashes of addresses and of presence tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoomSecret(pub [u8; 16]);

impl RoomSecret {
    /// A new secret from a cryptographically secure generator.
    pub fn random() -> Self {
        Self(rand::rng().random())
    }
}

/// Hides the bits, so that they never reach a log.
impl fmt::Debug for RoomSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomSecret(…)")
    }
}

/// The title of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomTitle(String);

impl RoomTitle {
    /// Parses 1 to [`ROOM_TITLE_MAX`] characters without control characters, at least one of them visible.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        validate_text(Field::Title, text, 1, ROOM_TITLE_MAX, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// Wraps a title that was validated before it was stored.
    pub const fn from_stored(title: String) -> Self {
        Self(title)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the owner of a room can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    pub title: Option<RoomTitle>,
    /// Whether the room is listed among the active rooms.
    pub listed: bool,
    /// Maximum viewers at once over all nodes, at least 1. A soft limit.
    pub capacity: Option<u32>,
    /// Seconds between two messages of one user, 0 to [`SLOW_MODE_SECONDS_MAX`](crate::domain::limits::SLOW_MODE_SECONDS_MAX).
    pub slow_mode_seconds: u32,
    /// Whether only owners may write, edit and react.
    pub locked: bool,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self { title: None, listed: true, capacity: None, slow_mode_seconds: 0, locked: false }
    }
}

/// Changes of settings; `None` leaves a setting as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsUpdate {
    /// `Some(None)` clears the title.
    pub title: Option<Option<RoomTitle>>,
    pub listed: Option<bool>,
    /// `Some(None)` removes the limit.
    pub capacity: Option<Option<u32>>,
    pub slow_mode_seconds: Option<u32>,
    pub locked: Option<bool>,
}

impl SettingsUpdate {
    /// The settings after this update.
    pub fn apply(self, settings: RoomSettings) -> RoomSettings {
        RoomSettings {
            title: self.title.unwrap_or(settings.title),
            listed: self.listed.unwrap_or(settings.listed),
            capacity: self.capacity.unwrap_or(settings.capacity),
            slow_mode_seconds: self.slow_mode_seconds.unwrap_or(settings.slow_mode_seconds),
            locked: self.locked.unwrap_or(settings.locked),
        }
    }
}

/// The part of a room that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub id: RoomId,
    pub code: RoomCode,
    /// The hash of the token that proves the owner.
    pub owner_token: TokenHash,
    pub secret: RoomSecret,
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
