//! Renders the events of a subscription without the schema.

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Field};
use serde::ser::{Error as _, SerializeMap};

use crate::chat::cursor;
use crate::domain::ban::{Ban, BanReason};
use crate::domain::event::{Event, EventKind};
use crate::graphql::execution::fast_path::fields::{ChatterField, MessageField, SettingsField};
use crate::graphql::execution::fast_path::selection::{Fields, Object, Only, Selected, Selector, WithFields, fields};
use crate::graphql::execution::root_field::RootFieldName;
use crate::graphql::schema::types::DateTime;

/// How to render an event without the schema: the selected fields, by the type of the event.
#[derive(Debug)]
pub(in crate::graphql) struct EventPlan {
    response_key: Name,
    /// In the order of [`EVENT_TYPES`], without those that the subscription does not deliver.
    by_type: Vec<Selected<EventField>>,
}

/// The types of events. Those of the interface `MessageEvent` come first; all have the interface `RoomEvent`.
const EVENT_TYPES: [&str; 8] = [
    "MessageSent",
    "MessageEdited",
    "MessageDeleted",
    "ReactionsChanged",
    "RoomUpdated",
    "UserBanned",
    "UserUnbanned",
    "RoomEnded",
];

/// The number of types of the interface `MessageEvent`.
const MESSAGE_EVENT_TYPES: usize = 3;

impl EventPlan {
    /// The plan of a valid subscription with this root field, if it can have one. `introspection` says whether `__typename` is
    /// available.
    pub(in crate::graphql) fn of(document: &ExecutableDocument, root: &Field, introspection: bool) -> Option<Self> {
        let types = match RootFieldName::parse(&root.name.node)? {
            RootFieldName::MessageEvents => &EVENT_TYPES[..MESSAGE_EVENT_TYPES],
            RootFieldName::RoomEvents => &EVENT_TYPES,
            RootFieldName::Presence => return None,
        };
        let selector = Selector { document, introspection };
        // The schema renders an event of which nothing is selected as null.
        let select = |of: &&'static str| selector.select_from(of, root).filter(|selected| !selected.fields.is_empty());
        let by_type = types.iter().map(select).collect::<Option<_>>()?;
        Some(Self { response_key: root.response_key().node.clone(), by_type })
    }

    /// The execution result for an event, in JSON.
    pub(in crate::graphql) fn render(&self, event: &Event) -> serde_json::Result<String> {
        let fields = type_index(&event.kind).and_then(|index| self.by_type.get(index));
        let fields = fields.ok_or_else(|| serde_json::Error::custom("an event that is not delivered"))?;
        serde_json::to_string(&Only("data", Only(&self.response_key, WithFields(event, fields))))
    }
}

/// The index of the type of an event; `None` if only newer versions know it.
const fn type_index(kind: &EventKind) -> Option<usize> {
    Some(match kind {
        EventKind::Sent(_) => 0,
        EventKind::Edited(_) => 1,
        EventKind::Deleted(_) => 2,
        EventKind::ReactionsChanged(_) => 3,
        EventKind::RoomUpdated(_) => 4,
        EventKind::UserBanned(_) => 5,
        EventKind::UserUnbanned(_) => 6,
        EventKind::RoomEnded => 7,
        EventKind::Unknown => return None,
    })
}

/// Whether a fragment on the type `on` applies to events of the type `of`; `None` if `on` is not a type of events.
fn applies(on: &str, of: &str) -> Option<bool> {
    match on {
        "RoomEvent" => Some(true),
        "MessageEvent" => Some(EVENT_TYPES[..MESSAGE_EVENT_TYPES].contains(&of)),
        _ => EVENT_TYPES.contains(&on).then_some(on == of),
    }
}

fields!(EventField, "RoomEvent" (applies), {
    "cursor" => Cursor, "at" => At;
    "message" => Message(MessageField); "settings" => Settings(SettingsField); "ban" => Ban(BanField);
    "user" => User(ChatterField)
});
fields!(BanField, "Ban", { "at" => At, "until" => Until, "reason" => Reason; "user" => User(ChatterField) });

impl Object for &Event {
    type Field = EventField;

    fn serialize_field<M: SerializeMap>(&self, field: &EventField, to: &mut M) -> Result<(), M::Error> {
        match (field, &self.kind) {
            (EventField::Cursor, _) => to.serialize_value(&cursor::encode_event(self.room, self.position)),
            (EventField::At, _) => to.serialize_value(&DateTime(self.at)),
            (
                EventField::Message(selected),
                EventKind::Sent(message)
                | EventKind::Edited(message)
                | EventKind::Deleted(message)
                | EventKind::ReactionsChanged(message),
            ) => to.serialize_value(&WithFields(message, selected)),
            (EventField::Settings(selected), EventKind::RoomUpdated(settings)) => {
                to.serialize_value(&WithFields(settings, selected))
            }
            (EventField::Ban(selected), EventKind::UserBanned(ban)) => to.serialize_value(&WithFields(ban, selected)),
            (EventField::User(selected), EventKind::UserUnbanned(user)) => {
                to.serialize_value(&WithFields(user, selected))
            }
            _ => Err(M::Error::custom("an event without its content")),
        }
    }
}

impl Object for &Ban {
    type Field = BanField;

    fn serialize_field<M: SerializeMap>(&self, field: &BanField, to: &mut M) -> Result<(), M::Error> {
        match field {
            BanField::At => to.serialize_value(&DateTime(self.at)),
            BanField::Until => to.serialize_value(&self.until.map(DateTime)),
            BanField::Reason => to.serialize_value(&self.reason.as_ref().map(BanReason::as_str)),
            BanField::User(selected) => to.serialize_value(&WithFields(&self.user, selected)),
        }
    }
}
