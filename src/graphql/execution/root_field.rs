//! The root field of a subscription: what it asks for, and its arguments.

use async_graphql::parser::types::Field;
use async_graphql::{Name, Pos, Positioned};

use crate::chat::RoomKey;
use crate::domain::event::EventKind;
use crate::graphql::execution::arguments::{Argument, Variables};

/// The fields of the subscription root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootFieldName {
    MessageEvents,
    RoomEvents,
    Presence,
}

impl RootFieldName {
    pub(super) fn parse(name: &str) -> Option<Self> {
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

/// The root field of a subscription operation, which many subscribers may share.
pub(super) struct RootField {
    pub(super) name: RootFieldName,
    /// Where the field stands in the document, and its key in the response.
    pub(super) position: Pos,
    pub(super) response_key: Name,
    room_id: Argument,
    room_code: Argument,
    after: Option<Argument>,
    presence_token: Option<Argument>,
}

/// The arguments of one subscription.
pub(super) struct RootArguments<'a> {
    pub(super) room: RoomKey<'a>,
    /// The cursor to resume after. Presence has no cursors and ignores it.
    pub(super) after: Option<&'a str>,
    pub(super) presence_token: Option<&'a str>,
}

impl RootField {
    /// Reads the field of a valid document; `None` means a defect of the server.
    pub(super) fn read(field: &Positioned<Field>) -> Option<Self> {
        let Positioned { pos: position, node: field } = field;
        Some(Self {
            name: RootFieldName::parse(&field.name.node)?,
            position: *position,
            response_key: field.response_key().node.clone(),
            room_id: Argument::of(field, "roomId")?,
            room_code: Argument::of(field, "roomCode")?,
            after: Argument::of(field, "after"),
            presence_token: Argument::of(field, "presenceToken"),
        })
    }

    /// The arguments with the variables of one subscriber, which have been coerced, so `None` means a defect of the server. The
    /// cursor `resume_after` takes precedence over that in the arguments.
    pub(super) fn arguments<'a>(
        &'a self,
        variables: Variables<'a>,
        resume_after: Option<&'a str>,
    ) -> Option<RootArguments<'a>> {
        let text = |argument: &'a Option<Argument>| argument.as_ref()?.string(variables);
        Some(RootArguments {
            room: RoomKey { id: self.room_id.string(variables)?, code: self.room_code.string(variables)? },
            after: resume_after.or_else(|| text(&self.after)),
            presence_token: text(&self.presence_token),
        })
    }
}
