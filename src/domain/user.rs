//! Users: their ids and display names.

use rand::RngExt as _;

use crate::domain::limits::{Limits, USER_ID_MIN, validate_text};
use crate::domain::violation::{Field, Violation};

/// Identifies a user across all rooms; chosen by the client or assigned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// Parses [`USER_ID_MIN`] to `limits.user_id` characters without control characters, at least one of them visible.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        validate_text(Field::UserId, text, USER_ID_MIN, limits.user_id, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// The id of a user that a host site vouches for: `@` and the site's own id for it, of 1 to `limits.user_id` characters.
    pub fn from_subject(subject: &str, limits: &Limits) -> Result<Self, Violation> {
        validate_text(Field::UserId, subject, 1, limits.user_id, &[])?;
        Ok(Self(format!("@{subject}")))
    }

    /// An id for a client that did not choose one.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Wraps an id that was validated before it was stored.
    pub const fn from_stored(id: String) -> Self {
        Self(id)
    }

    /// Whether the host site vouches for the user: ids of signed identities begin with `@`, others cannot.
    pub fn is_signed(&self) -> bool {
        self.0.starts_with('@')
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name shown with a user's messages. Set by the user's first message and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses 1 to `limits.display_name` characters without control characters, at least one of them visible.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        validate_text(Field::DisplayName, text, 1, limits.display_name, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// `Anon#` and five random digits.
    pub fn anonymous() -> Self {
        Self(format!("Anon#{:05}", rand::rng().random_range(0..100_000)))
    }

    /// Wraps a name that was validated before it was stored.
    pub const fn from_stored(name: String) -> Self {
        Self(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The https address of a user's picture, from a signed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvatarUrl(String);

impl AvatarUrl {
    /// Wraps an address that was validated before it was stored.
    pub const fn from_stored(url: String) -> Self {
        Self(url)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user as other members of a room see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub display_name: DisplayName,
    pub avatar_url: Option<AvatarUrl>,
}

/// What a user may do in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    #[default]
    Member,
    /// Has proven to be the owner. Stays it for the room's life.
    Owner,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_user_id_is_counted_in_characters() {
        let limits = Limits::default();
        assert!(UserId::parse("ääääääääää", &limits).is_ok());
        assert!(UserId::parse("ääääääääa", &limits).is_err());
        assert!(UserId::parse(&"x".repeat(128), &limits).is_ok());
        assert!(UserId::parse(&"x".repeat(129), &limits).is_err());
        assert!(UserId::parse("0123456789\n", &limits).is_err());
    }

    #[test]
    fn an_anonymous_name_has_five_digits() {
        let name = DisplayName::anonymous();
        let digits = name.as_str().strip_prefix("Anon#").expect("the prefix");
        assert!(digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit()));
    }
}
