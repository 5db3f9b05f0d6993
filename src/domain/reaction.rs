//! Reactions to messages.

use std::time::Duration;

use crate::domain::violation::{Field, Violation};

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
    /// Parses one emoji. A shorter form becomes the fully qualified one, so that each emoji is counted under one form.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let emoji =
            Some(text).filter(|text| text.len() <= EMOJI_BYTES_MAX).and_then(emojis::get).map(emojis::Emoji::as_str);
        let emoji = emoji.filter(|emoji| emoji.len() <= EMOJI_BYTES_MAX);
        emoji
            .map(|emoji| Self(emoji.to_owned()))
            .ok_or_else(|| Field::Emoji.invalid("must be one emoji of at most 32 bytes"))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_of_any_kind_is_accepted_in_its_full_form() {
        for emoji in ["👍", "👍🏽", "❤️", "🇩🇪", "1️⃣", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            assert_eq!(Emoji::parse(emoji).map(|emoji| emoji.0), Ok(emoji.to_owned()));
        }
        assert_eq!(Emoji::parse("❤"), Emoji::parse("❤️"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", " ", "a", "1", ":)", "thumbsup", "👍👍", "👍 ", "\u{200d}", "\u{fe0f}", "é", &"👍".repeat(9)]
        {
            assert!(Emoji::parse(text).is_err(), "{text}");
        }
    }
}
