//! Users, and the rotating tokens that authenticate them.
//!
//! A token is valid for one action; every response carries the next one. The previous token stays valid until the next token
//! is first used, so that a client can repeat an action whose response was lost. Presenting the previous token again yields
//! the same next token. The store can return it without knowing it: it keeps only hashes, and the next token *sealed* under
//! the token that it replaces, which only the client has.

use std::fmt;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

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

    /// An id for a client that did not choose one.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Wraps an id that was validated before it was stored.
    pub const fn from_stored(id: String) -> Self {
        Self(id)
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

/// A user as other members of a room see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub display_name: DisplayName,
}

const TOKEN_BYTES: usize = 16;

/// Authenticates the user of an action: 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new token from the operating system's cryptographic source.
    pub fn random() -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        rand::rng().fill(&mut bytes);
        Self(bytes)
    }

    /// Parses 32 hex digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 32 hex digits. Only for the client that owns the token.
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// The hash by which a store recognizes the token.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// Encrypts `next_token` so that only the holder of this token can read it.
    pub fn seal(&self, next_token: &Self) -> SealedToken {
        SealedToken(xor(next_token.0, self.mask()))
    }

    /// Decrypts a token that was sealed under this one.
    pub fn unseal(&self, sealed: &SealedToken) -> Self {
        Self(xor(sealed.0, self.mask()))
    }

    /// A one-time pad: every token seals only one next token, and the token's stored hash reveals nothing about the pad.
    fn mask(&self) -> [u8; TOKEN_BYTES] {
        let digest = Sha256::new().chain_update(b"livechat token seal").chain_update(self.0).finalize();
        std::array::from_fn(|i| digest[i])
    }
}

fn xor(mut left: [u8; TOKEN_BYTES], right: [u8; TOKEN_BYTES]) -> [u8; TOKEN_BYTES] {
    left.iter_mut().zip(right).for_each(|(l, r)| *l ^= r);
    left
}

/// Hides the digits, so that tokens never reach a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token encrypted with the token that it replaces; see [`Token::seal`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealedToken(pub [u8; TOKEN_BYTES]);

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sealing_token_unseals() {
        let (token, next_token) = (Token::random(), Token::random());
        let sealed = token.seal(&next_token);
        assert_eq!(token.unseal(&sealed), next_token);
        assert_ne!(Token::random().unseal(&sealed), next_token);
        assert_ne!(sealed.0, next_token.0);
    }

    #[test]
    fn a_token_parses_from_its_digits_and_from_nothing_else() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.reveal()), Some(token));
        for text in ["", "bad", "garbage-token", &token.reveal()[..31], &"z".repeat(32)] {
            assert_eq!(Token::parse(text), None);
        }
    }

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
