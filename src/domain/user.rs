//! Users as a room sees them, and the tokens by which we know them again.
//!
//! A token is good for one action and replaced with every answer. So that a lost answer locks nobody out, the token
//! before stays good until its next_token is first used, and presenting it again yields that same next_token. A store can
//! give the next_token back without knowing it: it keeps only hashes, and the next_token *sealed* under the token it
//! replaces, which only the client has.

use std::fmt;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

use crate::domain::limits::{Limits, USER_ID_MIN, check_text};
use crate::domain::violation::{Field, Violation};

/// Names a user over all rooms; chosen by the client, or assigned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// Takes an id of [`USER_ID_MIN`] to `limits.user_id` characters without control characters, of which one at
    /// least can be seen.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        check_text(Field::UserId, text, USER_ID_MIN, limits.user_id, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// An id for a client that brought none.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// An id that a store kept.
    pub const fn from_stored(id: String) -> Self {
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name shown beside a user's messages, fixed by the user's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Takes a name of 1 to `limits.display_name` characters without control characters, of which one at
    /// least can be seen.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        check_text(Field::DisplayName, text, 1, limits.display_name, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// `Anon#` and five random digits.
    pub fn anonymous() -> Self {
        Self(format!("Anon#{:05}", rand::rng().random_range(0..100_000)))
    }

    /// A name that a store kept.
    pub const fn from_stored(name: String) -> Self {
        Self(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user as the room sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub display_name: DisplayName,
}

const TOKEN_BYTES: usize = 16;

/// Proves that an action comes from the user it names: 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new token from the operating system's cryptographic source.
    pub fn random() -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        rand::rng().fill(&mut bytes);
        Self(bytes)
    }

    /// Reads 32 hex digits; `None` for whatever cannot be a token of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 32 hex digits, for the client whose token it is.
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// What a store keeps to know the token again.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// Seals `next_token` so that only the holder of this token can read it.
    pub fn seal(&self, next_token: &Self) -> SealedToken {
        SealedToken(xor(next_token.0, self.mask()))
    }

    /// Reads a token that was sealed under this one.
    pub fn unseal(&self, sealed: &SealedToken) -> Self {
        Self(xor(sealed.0, self.mask()))
    }

    /// A one-time pad: every token seals one next_token only, and its plain hash says nothing about this one.
    fn mask(&self) -> [u8; TOKEN_BYTES] {
        let digest = Sha256::new().chain_update(b"livechat token seal").chain_update(self.0).finalize();
        std::array::from_fn(|i| digest[i])
    }
}

fn xor(mut left: [u8; TOKEN_BYTES], right: [u8; TOKEN_BYTES]) -> [u8; TOKEN_BYTES] {
    left.iter_mut().zip(right).for_each(|(l, r)| *l ^= r);
    left
}

/// Hides the digits: tokens never reach a log.
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

/// A token under the seal of the one it replaces; see [`Token::seal`].
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
    fn only_the_sealing_token_reads_what_it_sealed() {
        let (token, next_token) = (Token::random(), Token::random());
        let sealed = token.seal(&next_token);
        assert_eq!(token.unseal(&sealed), next_token);
        assert_ne!(Token::random().unseal(&sealed), next_token);
        assert_ne!(sealed.0, next_token.0);
    }

    #[test]
    fn a_token_is_read_back_from_its_digits_and_nothing_else_is() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.reveal()), Some(token));
        for text in ["", "bad", "garbage-token", &token.reveal()[..31], &"z".repeat(32)] {
            assert_eq!(Token::parse(text), None);
        }
    }

    #[test]
    fn a_user_id_is_counted_in_characters() {
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
