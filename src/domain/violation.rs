//! The rules that input can break. `chat::ChatError` adds the errors that need a store or a token to detect; each API
//! formats violations in its own way.

/// A rule that the input breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A value breaks a rule of its own, such as a length limit.
    #[error("the value {problem}")]
    Invalid {
        field: Field,
        /// The rest of a sentence that begins with the name of the field, such as "must not be empty".
        problem: String,
    },
    /// The room has no such message, or the message was deleted.
    #[error("there is no such message in this room")]
    MessageNotFound,
    /// Only the author of a message may change it.
    #[error("only the author of a message may change it")]
    NotAuthor,
    /// The cursor is malformed, belongs to another room, or names an entry that does not exist or no longer does.
    #[error("the cursor is not valid here; read the room again and continue from its cursor")]
    CursorInvalid,
}

/// The input that a violation is about. Each API has its own name for it.
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
    Title,
    Capacity,
    SlowModeSeconds,
    Listed,
    Locked,
    Seconds,
    Reason,
    Emoji,
    ReplyToId,
}

impl Field {
    /// A violation of this field; `problem` continues a sentence that begins with the field's name.
    pub fn invalid(self, problem: impl Into<String>) -> Violation {
        Violation::Invalid { field: self, problem: problem.into() }
    }
}
