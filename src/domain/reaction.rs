//! Reactions to messages.

use std::time::Duration;

/// Maximum number of different emoji on one message.
pub const REACTION_KINDS_MAX: usize = 20;

/// Maximum number of times that one user may add or remove the same emoji on one message.
pub const REACTION_TOGGLES_MAX: u32 = 20;

/// A message has at most one log entry about its reactions in this time.
pub const REACTIONS_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum bytes of an emoji.
pub const EMOJI_BYTES_MAX: usize = 32;

/// An emoji: one grapheme of at most [`EMOJI_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emoji(String);

impl Emoji {
    /// Wraps an emoji that was validated before it was stored.
    pub const fn from_stored(emoji: String) -> Self {
        Self(emoji)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many users have reacted to a message with one emoji. At least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionCount {
    pub emoji: Emoji,
    pub count: u32,
}
