//! Settings of identities.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::DecodingKey;

use crate::access::identity::key_file::KeyFile;

/// Whether users may or must have an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requirement {
    /// Identities are refused.
    #[default]
    Off,
    Optional,
    Required,
}

/// Who may create rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomCreators {
    #[default]
    Anyone,
    Identified,
}

/// Settings of [`super::Identities`].
#[derive(Clone, Default)]
pub struct Settings {
    pub requirement: Requirement,
    pub room_creators: RoomCreators,
    pub key_file: Option<KeyFile>,
    pub secret: Option<Secret>,
}

/// Hides the secret and the keys.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({:?}, {:?})", self.requirement, self.room_creators)
    }
}

/// Smallest secret, in bytes: the length of the hash, as RFC 7518 requires.
const SECRET_MIN: usize = 32;

/// A secret that is shared with the host site.
#[derive(Clone)]
pub struct Secret(pub(super) DecodingKey);

/// The secret is too short.
#[derive(Debug)]
pub struct SecretTooShort;

impl FromStr for Secret {
    type Err = SecretTooShort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < SECRET_MIN {
            return Err(SecretTooShort);
        }
        DecodingKey::from_secret(text.as_bytes()).map(Self).map_err(|_| SecretTooShort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_needs_32_bytes_and_settings_hide_it() {
        assert!("x".repeat(31).parse::<Secret>().is_err());
        let secret = "x".repeat(32).parse::<Secret>().ok();
        assert!(secret.is_some());
        assert!(!format!("{:?}", Settings { secret, ..Settings::default() }).contains("xx"));
    }
}
