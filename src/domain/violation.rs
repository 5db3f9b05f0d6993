//! What a rule answers when it says no. The service adds what only it can know (rooms, tokens, stores) in
//! `chat::ChatError`; how a refusal is told to a client is each wire's business.

use std::fmt;

/// A rule that input did not keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A value is not acceptable as it is.
    #[error("{field} {problem}")]
    Invalid {
        /// Which value.
        field: Field,
        /// What is wrong with it, as the second half of a sentence that begins with the field's name.
        problem: String,
    },
    /// No such message in this room, or it was deleted.
    #[error("there is no such message in this room")]
    MessageNotFound,
    /// Only the author of a message may change it.
    #[error("only the author of a message may change it")]
    NotAuthor,
    /// The cursor is not one of ours, of another room, or names what is not there (any more).
    #[error("this cursor does not belong here; read the room again and go on from its cursor")]
    CursorInvalid,
}

/// An input that a rule speaks about, named as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    RoomId,
    UserId,
    DisplayName,
    Text,
    ClientMessageId,
    MessageId,
    First,
    Last,
}

impl Field {
    /// The name in the GraphQL schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoomId => "roomId",
            Self::UserId => "userId",
            Self::DisplayName => "displayName",
            Self::Text => "text",
            Self::ClientMessageId => "clientMessageId",
            Self::MessageId => "messageId",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// A violation of this field; `problem` continues the sentence that the field's name begins.
    pub fn invalid(self, problem: impl Into<String>) -> Violation {
        Violation::Invalid { field: self, problem: problem.into() }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
