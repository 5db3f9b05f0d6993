//! The root field of a subscription: what it asks for, and its arguments.

use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql::{Pos, Positioned};

use crate::domain::event::EventKind;
use crate::graphql::execution::arguments::Argument;
use crate::graphql::execution::document::operation_of;
use crate::graphql::execution::request::Parameters;

/// The fields of the subscription root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootFieldName {
    MessageEvents,
    RoomEvents,
    Presence,
}

impl RootFieldName {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "messageEvents" => Some(Self::MessageEvents),
            "roomEvents" => Some(Self::RoomEvents),
            "presence" => Some(Self::Presence),
            _ => None,
        }
    }

    /// Whether the subscription delivers events of this kind.
    pub(super) const fn delivers(self, kind: &EventKind) -> bool {
        match kind {
            EventKind::Sent(_) | EventKind::Edited(_) | EventKind::Deleted(_) => !matches!(self, Self::Presence),
            EventKind::ReactionsChanged(_)
            | EventKind::RoomUpdated(_)
            | EventKind::UserBanned(_)
            | EventKind::UserUnbanned(_)
            | EventKind::RoomEnded => matches!(self, Self::RoomEvents),
            EventKind::Unknown => false,
        }
    }
}

/// The root field of one subscription.
pub(super) struct RootField {
    pub(super) name: RootFieldName,
    pub(super) room_id: String,
    pub(super) room_code: String,
    /// The cursor to resume after. Presence has no cursors and ignores it.
    pub(super) after: Option<String>,
    pub(super) presence_token: Option<String>,
    /// Where the field stands in the document, and its key in the response.
    pub(super) position: Pos,
    pub(super) response_key: String,
}

impl RootField {
    /// Reads the field. The document is valid and its values are coerced, so `None` means a defect of the server. The cursor
    /// `resume_after` takes precedence over that in the arguments.
    pub(super) fn read(
        document: &ExecutableDocument,
        parameters: &Parameters,
        resume_after: Option<String>,
    ) -> Option<Self> {
        let operation = operation_of(document, None)?;
        let Selection::Field(Positioned { pos: position, node: field }) =
            &operation.selection_set.node.items.first()?.node
        else {
            return None;
        };
        let text = |name| {
            let argument = Argument::of(field, name)?;
            argument.string(parameters.variables.as_ref()).map(str::to_owned)
        };
        Some(Self {
            name: RootFieldName::parse(&field.name.node)?,
            room_id: text("roomId")?,
            room_code: text("roomCode")?,
            after: resume_after.or_else(|| text("after")),
            presence_token: text("presenceToken"),
            position: *position,
            response_key: field.response_key().node.to_string(),
        })
    }
}
