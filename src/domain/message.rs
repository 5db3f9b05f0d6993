//! Messages: their ids, their content, and the rule for who may change them.

use std::fmt;

use crate::domain::limits::{CLIENT_MESSAGE_ID_MAX, Limits, validate_text};
use crate::domain::position::Seq;
use crate::domain::reaction::ReactionCount;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Role, User, UserId};
use crate::domain::violation::{Field, Violation};

/// Identifies a message across all rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    pub room: RoomId,
    /// The index of the message in its room, from 0. Never changes.
    pub index: u64,
}

impl MessageId {
    /// Parses the [`fmt::Display`] form: a room id, a hyphen and the index.
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

/// The text of a message. May contain newlines and tabs but no other control characters. Lines always end with LF.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(String);

impl MessageText {
    /// Parses 1 to `limits.text` characters, at least one of them visible. CR LF becomes LF and counts as one character;
    /// any other CR is rejected as a control character.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Violation> {
        let text = text.replace("\r\n", "\n");
        validate_text(Field::Text, &text, 1, limits.text, &['\n', '\t'])?;
        Ok(Self(text))
    }

    /// Wraps a text that was validated before it was stored.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hides the text, so that it never reaches a log.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

/// An id that the client chose for a message, so that repeating the send does not create a second message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientMessageId(String);

impl ClientMessageId {
    /// Parses 1 to [`CLIENT_MESSAGE_ID_MAX`] characters without control characters, at least one of them visible.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        validate_text(Field::ClientMessageId, text, 1, CLIENT_MESSAGE_ID_MAX, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// Wraps an id that was validated before it was stored.
    pub const fn from_stored(id: String) -> Self {
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message in its current state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub author: User,
    /// In this room, when the message was sent.
    pub author_role: Role,
    /// `None` if deleted.
    pub text: Option<MessageText>,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    /// Who deleted it: its author (`Member`, even if that is an owner) or an owner who removed it. `None` if not deleted.
    pub deleted_by: Option<Role>,
    pub client_message_id: Option<ClientMessageId>,
    /// The index of the message in the same room that this one answers.
    pub reply_to: Option<u64>,
    /// Most used first, then by emoji, at most [`REACTION_KINDS_MAX`](crate::domain::reaction::REACTION_KINDS_MAX); none if deleted.
    pub reactions: Vec<ReactionCount>,
    /// How often the reactions to this message have changed. With `revision` it tells two states of a message apart.
    pub reaction_changes: u64,
    /// The log number of the last change of this message. A change commits only if the message still has the revision
    /// that was checked.
    pub revision: Seq,
}

impl Message {
    /// A message as it is sent, still without its text.
    pub const fn new(id: MessageId, author: User, at: Timestamp, revision: Seq) -> Self {
        Self {
            id,
            author,
            author_role: Role::Member,
            text: None,
            created_at: at,
            edited_at: None,
            deleted_at: None,
            deleted_by: None,
            client_message_id: None,
            reply_to: None,
            reactions: Vec::new(),
            reaction_changes: 0,
            revision,
        }
    }

    /// Its size in memory, in bytes.
    pub fn size(&self) -> usize {
        let id = self.client_message_id.as_ref().map_or(0, |id| id.as_str().len());
        let text = self.text.as_ref().map_or(0, |text| text.as_str().len());
        let avatar_url = self.author.avatar_url.as_ref().map_or(0, |url| url.as_str().len());
        let author = self.author.id.as_str().len() + self.author.display_name.as_str().len() + avatar_url;
        let reactions: usize =
            self.reactions.iter().map(|reaction| size_of::<ReactionCount>() + reaction.emoji.as_str().len()).sum();
        size_of::<Self>() + author + text + id + reactions
    }

    /// Whether this state of a message is newer than `other`.
    pub const fn is_newer_than(&self, other: &Self) -> bool {
        self.revision.0 > other.revision.0 || self.reaction_changes > other.reaction_changes
    }

    /// Fails unless `user` may edit or delete this message.
    pub fn authorize_change(&self, user: &UserId) -> Result<(), Violation> {
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
    fn a_message_id_parses_back_from_its_display_form() {
        let id = MessageId { room: RoomId::random(), index: 17 };
        assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
        for text in ["", "17", "-17", &format!("{}--1", id.room), &format!("{}-", id.room), &format!("{}-+1x", id.room)]
        {
            assert!(MessageId::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn text_may_contain_newlines_and_tabs_but_no_other_control_characters() {
        let limits = Limits::default();
        assert!(MessageText::parse("one\n\ttwo", &limits).is_ok());
        for text in ["\0", "a\rb", "\u{7f}", "\u{85}", "\u{1b}[31m"] {
            assert!(MessageText::parse(text, &limits).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn text_length_is_counted_in_characters() {
        let limits = Limits::default();
        assert!(MessageText::parse(&"🦀".repeat(4_000), &limits).is_ok());
        assert!(MessageText::parse(&"🦀".repeat(4_001), &limits).is_err());
        assert!(MessageText::parse("", &limits).is_err());
        assert!(MessageText::parse(&"a\r\n".repeat(2_000), &limits).is_ok(), "CR LF counts as one character");
        assert!(MessageText::parse(&"a\r\n".repeat(2_001), &limits).is_err());
    }

    proptest! {
        #[test]
        fn line_endings_do_not_change_a_text(lines in prop::collection::vec("[^\\p{Cc}]{0,20}", 1..10)) {
            let limits = Limits::default();
            let [with_lf, with_cr_lf] = ["\n", "\r\n"].map(|end| MessageText::parse(&lines.join(end), &limits));
            prop_assert_eq!(&with_lf, &with_cr_lf);
            if let Ok(text) = with_lf {
                prop_assert_eq!(text.as_str(), lines.join("\n"));
            }
            let with_cr = MessageText::parse(&(String::from("x") + &lines.join("\r")), &limits);
            prop_assert_eq!(with_cr.is_err(), lines.len() > 1);
        }

        #[test]
        fn invisible_text_names_and_ids_are_rejected(
            blanks in "[ \u{a0}\u{ad}\u{115f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{2800}\u{3000}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{e0000}-\u{e0fff}]{10,60}",
            position in 0_usize..10,
        ) {
            let limits = Limits::default();
            let accepted = |text: &str| [
                MessageText::parse(text, &limits).is_ok(),
                DisplayName::parse(text, &limits).is_ok(),
                UserId::parse(text, &limits).is_ok(),
                ClientMessageId::parse(text).is_ok(),
            ];
            prop_assert_eq!(accepted(&blanks), [false; 4]);
            let mut characters: Vec<char> = blanks.chars().collect();
            characters.insert(position, 'x');
            prop_assert_eq!(accepted(&characters.into_iter().collect::<String>()), [true; 4]);
        }
    }
}
