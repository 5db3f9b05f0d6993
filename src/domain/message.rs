//! Messages: what they hold, and who may change them.

use std::fmt;

use crate::domain::event::Seq;
use crate::domain::limits::{CLIENT_MESSAGE_ID_MAX, Limits, check_text};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserId};
use crate::domain::violation::{Field, Violation};

/// Names a message over all rooms: its room and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    pub room: RoomId,
    /// Counts from 0 in its room and never moves.
    pub index: u64,
}

impl MessageId {
    /// Reads what [`fmt::Display`] wrote; anything else violates [`Field::MessageId`].
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let invalid = || Field::MessageId.invalid("is not the id of a message");
        let (room, index) = text.split_once('-').ok_or_else(invalid)?;
        let room = RoomId::parse(room).map_err(|_| invalid())?;
        let index = index.parse().map_err(|_| invalid())?;
        Ok(Self { room, index })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.room, self.index)
    }
}

/// What somebody wrote. Newlines and tabs are part of it, other control characters are not. A line ends with LF, however its
/// author's system ends lines.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    /// Takes 1 to `limits.text` characters, of which one at least can be seen. CR LF is read as LF and counts as one; any other
    /// CR is a control character.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        let text = text.replace("\r\n", "\n");
        check_text(Field::Text, &text, 1, limits.text, &['\n', '\t'])?;
        Ok(Self(text))
    }

    /// A text that a store kept.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hides the text: what people write never reaches a log.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

/// The sender's own name for a message; makes a repeat of the same send harmless.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    /// Takes 1 to [`CLIENT_MESSAGE_ID_MAX`] characters without control characters, of which one at least can be seen.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        check_text(Field::ClientMessageId, text, 1, CLIENT_MESSAGE_ID_MAX, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// An id that a store kept.
    pub const fn from_stored(id: String) -> Self {
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub author: User,
    /// `None` once deleted.
    pub text: Option<MessageText>,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub client_message_id: Option<ClientMessageId>,
    /// The number of the last change of this message. A change is committed only while this still holds, so what was
    /// decided about the message is decided about the message that is changed.
    pub revision: Seq,
}

impl Message {
    /// Whether `user` may edit or delete this message now.
    pub fn may_be_changed_by(&self, user: &UserId) -> Result<(), Violation> {
        if self.author.id != *user {
            Err(Violation::NotAuthor)
        } else if self.deleted_at.is_some() {
            Err(Violation::MessageNotFound)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::user::DisplayName;

    #[test]
    fn a_message_id_is_read_back_as_written() {
        let id = MessageId { room: RoomId::random(), index: 17 };
        assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
        for text in ["", "17", "-17", &format!("{}--1", id.room), &format!("{}-", id.room), &format!("{}-+1x", id.room)]
        {
            assert!(MessageId::parse(text).is_err(), "{text} was taken for a message id");
        }
    }

    #[test]
    fn text_takes_newlines_and_tabs_and_no_other_control_character() {
        let limits = Limits::default();
        assert!(MessageText::parse("one\n\ttwo", &limits).is_ok());
        for text in ["\0", "a\rb", "\u{7f}", "\u{85}", "\u{1b}[31m"] {
            assert!(MessageText::parse(text, &limits).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn text_is_counted_in_characters() {
        let limits = Limits::default();
        assert!(MessageText::parse(&"🦀".repeat(4_000), &limits).is_ok());
        assert!(MessageText::parse(&"🦀".repeat(4_001), &limits).is_err());
        assert!(MessageText::parse("", &limits).is_err());
        assert!(MessageText::parse(&"a\r\n".repeat(2_000), &limits).is_ok(), "a CR LF is one character");
        assert!(MessageText::parse(&"a\r\n".repeat(2_001), &limits).is_err());
    }

    proptest! {
        #[test]
        fn a_text_is_the_same_however_its_lines_end(lines in prop::collection::vec("[^\\p{Cc}]{0,20}", 1..10)) {
            let limits = Limits::default();
            let [of_lf, of_cr_lf] = ["\n", "\r\n"].map(|end| MessageText::parse(&lines.join(end), &limits));
            prop_assert_eq!(&of_lf, &of_cr_lf);
            if let Ok(text) = of_lf {
                prop_assert_eq!(text.as_str(), lines.join("\n"));
            }
            let of_cr = MessageText::parse(&(String::from("x") + &lines.join("\r")), &limits);
            prop_assert_eq!(of_cr.is_err(), lines.len() > 1);
        }

        #[test]
        fn nothing_that_cannot_be_seen_is_a_text_a_name_or_an_id(
            blanks in "[ \u{a0}\u{ad}\u{115f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{2800}\u{3000}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{e0000}-\u{e0fff}]{10,60}",
            place in 0_usize..10,
        ) {
            let limits = Limits::default();
            let taken = |text: &str| [
                MessageText::parse(text, &limits).is_ok(),
                DisplayName::parse(text, &limits).is_ok(),
                UserId::parse(text, &limits).is_ok(),
                ClientMessageId::parse(text).is_ok(),
            ];
            prop_assert_eq!(taken(&blanks), [false; 4]);
            let mut characters: Vec<char> = blanks.chars().collect();
            characters.insert(place, 'x');
            prop_assert_eq!(taken(&characters.into_iter().collect::<String>()), [true; 4]);
        }
    }
}
