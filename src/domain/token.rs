//! The rotating tokens that authenticate users.
//!
//! A token is valid for one action, and every response carries the next one. The previous token stays valid until the next
//! token is first used, so that a client can repeat an action whose response was lost. Presenting the previous token again
//! yields the same next token. The store can return that token without knowing it: it keeps only hashes, and the next token
//! *sealed* under the token that it replaces, which only the client has.

use std::fmt;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

const TOKEN_BYTES: usize = 16;

/// Authenticates the user of an action: 128 random bits, written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new token from a cryptographically secure generator.
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
}
