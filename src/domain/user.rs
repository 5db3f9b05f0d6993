//! Users: their ids and display names.

use rand::RngExt as _;

use crate::domain::limits::{Limits, USER_ID_MIN, validate_text};
use crate::domain::violation::{Field, Violation};

/// Begins the ids of users that the host site vouches for.
const SIGNED_PREFIX: char = '@';

/// Maximum characters in the address of a picture.
const AVATAR_URL_MAX: usize = 2_048;

/// Identifies a user across all rooms; chosen by the client, assigned, or from a signed identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// Parses an id that a client has chosen: [`USER_ID_MIN`] to `limits.user_id` characters without control characters, at least one
    /// of them visible. Ids that begin with `@` are those of signed identities.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        validate_text(Field::UserId, text, USER_ID_MIN, limits.user_id, &[])?;
        if text.starts_with(SIGNED_PREFIX) {
            return Err(Field::UserId.invalid("must not begin with @, as only ids from signed identities do"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses the id of any user: one that a client has chosen, or that of a signed identity.
    pub fn parse_any(text: &str, limits: &Limits) -> Result<Self, Violation> {
        match text.strip_prefix(SIGNED_PREFIX) {
            Some(subject) => Self::from_subject(subject, limits),
            None => Self::parse(text, limits),
        }
    }

    /// The id of a user that a host site vouches for: `@` and the site's own id for it, of 1 to `limits.user_id` characters.
    pub fn from_subject(subject: &str, limits: &Limits) -> Result<Self, Violation> {
        validate_text(Field::UserId, subject, 1, limits.user_id, &[])?;
        Ok(Self(format!("{SIGNED_PREFIX}{subject}")))
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
        self.0.starts_with(SIGNED_PREFIX)
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
    /// Parses an address with the scheme https and a host, without a password, and with only characters that stand for themselves in
    /// a page. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let authority = text.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
        let has_host = !(authority.is_empty() || authority.starts_with(':') || authority.contains('@'));
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
        (has_host && text.len() <= AVATAR_URL_MAX && text.bytes().all(is_allowed)).then(|| Self(text.to_owned()))
    }

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
    fn nobody_can_choose_the_id_of_a_signed_user() {
        let limits = Limits::default();
        assert!(UserId::parse("@0123456789", &limits).is_err());
        assert!(UserId::parse("0123456789@", &limits).is_ok_and(|id| !id.is_signed()));
        let signed = UserId::from_subject("7", &limits).expect("an id");
        assert!(signed.is_signed() && signed.as_str() == "@7");
        assert_eq!(UserId::parse_any("@7", &limits), Ok(signed));
        assert!(UserId::from_subject(&"x".repeat(128), &limits).is_ok());
        for subject in ["", " ", "\n", &"x".repeat(129)] {
            assert!(UserId::from_subject(subject, &limits).is_err());
        }
        assert!(UserId::parse_any("0123456789", &limits).is_ok_and(|id| !id.is_signed()));
        assert!(UserId::parse_any("7", &limits).is_err());
    }

    #[test]
    fn only_plain_https_addresses_are_pictures() {
        for url in ["https://example.org", "https://example.org:8443/a.png?s=64#x", "https://[::1]/~a/(b)"] {
            assert!(AvatarUrl::parse(url).is_some_and(|parsed| parsed.as_str() == url), "{url}");
        }
        for text in [
            "http://example.org/a.png",
            "HTTPS://example.org/",
            "//example.org/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "https://",
            "https:///a.png",
            "https://:1/",
            "https://user@example.org/",
            "https://example.org/a b",
            "https://example.org/\n",
            "https://example.org/\" onerror=\"",
            "https://example.org/<",
            "https://example.org/ä",
            &format!("https://example.org/{}", "a".repeat(2_048)),
        ] {
            assert!(AvatarUrl::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_anonymous_name_has_five_digits() {
        let name = DisplayName::anonymous();
        let digits = name.as_str().strip_prefix("Anon#").expect("the prefix");
        assert!(digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit()));
    }
}
