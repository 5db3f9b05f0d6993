//! The fields that a plan can have, and how each is written as JSON. Each type of the schema has an enum of its fields, without
//! those that need further calls of the service.

use std::fmt::Write as _;

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet, TypeCondition};

use crate::chat::{Accepted, Snapshot, cursor};
use crate::domain::message::{Message, MessageText};
use crate::domain::page::Window;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::User;
use crate::graphql::execution::limited_json::LimitedJson;
use crate::graphql::schema::types::write_timestamp;

/// A selected field and its key in the response.
#[derive(Debug)]
pub(super) struct Selected<F> {
    /// The name and its colon, as JSON.
    key: String,
    /// `None` stands for `__typename`.
    field: Option<F>,
}

/// Reads selection sets.
#[derive(Clone, Copy)]
pub(super) struct Selector<'a> {
    pub(super) document: &'a ExecutableDocument,
    pub(super) introspection: bool,
}

/// The fields of one type of the schema.
pub(super) trait Fields: Sized {
    const TYPE: &'static str;

    /// Reads a field and its selection set; `None` if a plan cannot have it.
    fn read(field: &Field, selector: Selector<'_>) -> Option<Self>;
}

impl<'a> Selector<'a> {
    /// The selected fields of a type, with fragments spread; `None` if a plan cannot have all of them. The number of fragments is
    /// within its limit.
    pub(super) fn select<F: Fields>(self, set: &SelectionSet) -> Option<Vec<Selected<F>>> {
        let mut selected = Vec::new();
        self.add(set, &mut selected)?;
        Some(selected)
    }

    fn add<F: Fields>(self, set: &SelectionSet, to: &mut Vec<Selected<F>>) -> Option<()> {
        for selection in &set.items {
            if !selection.node.directives().is_empty() {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let mut name = String::new();
                    write_key(&field.response_key().node, &mut name);
                    // A field that is selected twice would have to be merged.
                    if to.iter().any(|known| known.key == name) {
                        return None;
                    }
                    let field = match field.name.node.as_str() {
                        "__typename" if self.introspection => None,
                        _ => Some(F::read(field, self)?),
                    };
                    to.push(Selected { key: name, field });
                }
                fragment => {
                    let (condition, set) = fragment_of(fragment, self.document)?;
                    if condition.is_some_and(|condition| condition.node.on.node != F::TYPE) {
                        return None;
                    }
                    self.add(set, to)?;
                }
            }
        }
        Some(())
    }
}

/// The type condition and the selection set of a fragment; `None` for a field, and for a fragment with directives.
fn fragment_of<'a>(
    selection: &'a Selection,
    document: &'a ExecutableDocument,
) -> Option<(Option<&'a Positioned<TypeCondition>>, &'a SelectionSet)> {
    match selection {
        Selection::Field(_) => None,
        Selection::InlineFragment(fragment) => {
            Some((fragment.node.type_condition.as_ref(), &fragment.node.selection_set.node))
        }
        Selection::FragmentSpread(spread) => {
            let fragment = &document.fragments.get(&spread.node.fragment_name.node)?.node;
            fragment.directives.is_empty().then_some((Some(&fragment.type_condition), &fragment.selection_set.node))
        }
    }
}

/// Finds the `messages` fields in the selection set of a room.
pub(super) fn find_messages<'a>(set: &'a SelectionSet, document: &'a ExecutableDocument, found: &mut Vec<&'a Field>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if field.node.name.node == "messages" => found.push(&field.node),
            Selection::Field(_) => {}
            fragment => {
                if let Some((_, set)) = fragment_of(fragment, document) {
                    find_messages(set, document, found);
                }
            }
        }
    }
}

/// A value that is written as an object of the schema.
pub(super) trait WriteObject {
    type Field: Fields;

    fn write_field(&self, field: &Self::Field, to: &mut LimitedJson<'_>);

    fn write(&self, selected: &[Selected<Self::Field>], to: &mut LimitedJson<'_>) {
        to.short().push('{');
        for (i, Selected { key, field }) in selected.iter().enumerate() {
            if i > 0 {
                to.short().push(',');
            }
            to.short().push_str(key);
            match field {
                Some(field) => self.write_field(field, to),
                None => string(Self::Field::TYPE, to),
            }
        }
        to.short().push('}');
    }
}

/// Defines the enum of the fields of a type, by their names in the schema. Fields that are objects hold their selected fields.
macro_rules! fields {
    ($name:ident, $type:literal, { $($leaf:literal => $variant:ident),* $(; $object:literal => $of:ident($fields:ty))* }) => {
        #[derive(Debug)]
        pub(super) enum $name {
            $($variant,)*
            $($of(Vec<Selected<$fields>>),)*
        }

        impl Fields for $name {
            const TYPE: &'static str = $type;

            #[allow(unused_variables, reason = "some types have no object fields")]
            fn read(field: &Field, selector: Selector<'_>) -> Option<Self> {
                match field.name.node.as_str() {
                    $($leaf => Some(Self::$variant),)*
                    $($object => selector.select(&field.selection_set.node).map(Self::$of),)*
                    _ => None,
                }
            }
        }
    };
}

fields!(ChatterField, "Chatter", { "id" => Id, "displayName" => DisplayName });
fields!(MessageField, "Message", {
    "id" => Id, "index" => Index, "text" => Text, "createdAt" => CreatedAt, "editedAt" => EditedAt,
    "deletedAt" => DeletedAt, "clientMessageId" => ClientMessageId;
    "author" => Author(ChatterField)
});
fields!(SentField, "SendMessagePayload", {
    "token" => Token, "cursor" => Cursor; "message" => Message(MessageField); "author" => Author(ChatterField)
});
fields!(PageInfoField, "PageInfo", {
    "hasNextPage" => HasNextPage, "hasPreviousPage" => HasPreviousPage, "startCursor" => StartCursor,
    "endCursor" => EndCursor
});
fields!(MessageEdgeField, "MessageEdge", { "cursor" => Cursor; "node" => Node(MessageField) });
fields!(MessageConnectionField, "MessageConnection", {
    "totalCount" => TotalCount;
    "nodes" => Nodes(MessageField); "edges" => Edges(MessageEdgeField); "pageInfo" => PageInfo(PageInfoField)
});
fields!(RoomField, "Room", {
    "id" => Id, "code" => Code, "createdAt" => CreatedAt, "expiresAt" => ExpiresAt, "chatterCount" => ChatterCount,
    "cursor" => Cursor;
    "messages" => Messages(MessageConnectionField)
});

impl WriteObject for User {
    type Field = ChatterField;

    fn write_field(&self, field: &ChatterField, to: &mut LimitedJson<'_>) {
        match field {
            ChatterField::Id => string(self.id.as_str(), to),
            ChatterField::DisplayName => string(self.display_name.as_str(), to),
        }
    }
}

impl WriteObject for Message {
    type Field = MessageField;

    fn write_field(&self, field: &MessageField, to: &mut LimitedJson<'_>) {
        match field {
            MessageField::Id => unescaped(self.id, to),
            MessageField::Index => number(self.id.index, to),
            MessageField::Text => or_null(self.text.as_ref().map(MessageText::as_str), to, string),
            MessageField::CreatedAt => timestamp(self.created_at, to),
            MessageField::EditedAt => or_null(self.edited_at, to, timestamp),
            MessageField::DeletedAt => or_null(self.deleted_at, to, timestamp),
            MessageField::ClientMessageId => or_null(self.client_message_id.as_ref().map(|id| id.as_str()), to, string),
            MessageField::Author(selected) => self.author.write(selected, to),
        }
    }
}

impl WriteObject for Accepted {
    type Field = SentField;

    fn write_field(&self, field: &SentField, to: &mut LimitedJson<'_>) {
        match field {
            SentField::Token => string(&self.token.reveal(), to),
            SentField::Cursor => string(&cursor::encode_event(self.event.room(), self.event.position), to),
            SentField::Message(selected) => self.event.message.write(selected, to),
            SentField::Author(selected) => self.author.write(selected, to),
        }
    }
}

/// A room, read together with a page of its messages.
#[derive(Clone, Copy)]
pub(super) struct RoomPage<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The window of the messages; `None` if no messages were selected.
    pub(super) window: Option<Window>,
}

impl WriteObject for RoomPage<'_> {
    type Field = RoomField;

    fn write_field(&self, field: &RoomField, to: &mut LimitedJson<'_>) {
        let state = &self.snapshot.state;
        match field {
            RoomField::Id => unescaped(state.room.id, to),
            RoomField::Code => string(state.room.code.reveal(), to),
            RoomField::CreatedAt => timestamp(state.room.created_at, to),
            RoomField::ExpiresAt => timestamp(state.room.expires_at, to),
            RoomField::ChatterCount => number(state.user_count, to),
            RoomField::Cursor => string(&cursor::encode_event(state.room.id, state.head), to),
            RoomField::Messages(selected) => Messages(*self).write(selected, to),
        }
    }
}

struct Messages<'a>(RoomPage<'a>);

impl WriteObject for Messages<'_> {
    type Field = MessageConnectionField;

    fn write_field(&self, field: &MessageConnectionField, to: &mut LimitedJson<'_>) {
        let messages = &self.0.snapshot.messages;
        match field {
            MessageConnectionField::TotalCount => number(self.0.snapshot.state.message_count, to),
            MessageConnectionField::Nodes(selected) => list(messages, to, |message, to| message.write(selected, to)),
            MessageConnectionField::Edges(selected) => {
                list(messages, to, |message, to| Edge(message).write(selected, to))
            }
            MessageConnectionField::PageInfo(selected) => PageInfo(self.0).write(selected, to),
        }
    }
}

struct Edge<'a>(&'a Message);

impl WriteObject for Edge<'_> {
    type Field = MessageEdgeField;

    fn write_field(&self, field: &MessageEdgeField, to: &mut LimitedJson<'_>) {
        match field {
            MessageEdgeField::Cursor => message_cursor(self.0, to),
            MessageEdgeField::Node(selected) => self.0.write(selected, to),
        }
    }
}

struct PageInfo<'a>(RoomPage<'a>);

impl WriteObject for PageInfo<'_> {
    type Field = PageInfoField;

    fn write_field(&self, field: &PageInfoField, to: &mut LimitedJson<'_>) {
        let RoomPage { snapshot, window } = self.0;
        let total = snapshot.state.message_count;
        let range = window.map_or(0..0, |window| window.range(total));
        match field {
            PageInfoField::HasNextPage => boolean(range.end < total, to),
            PageInfoField::HasPreviousPage => boolean(range.start > 0, to),
            PageInfoField::StartCursor => or_null(snapshot.messages.first(), to, message_cursor),
            PageInfoField::EndCursor => or_null(snapshot.messages.last(), to, message_cursor),
        }
    }
}

/// Writes a key and its colon.
pub(super) fn write_key(name: &str, to: &mut String) {
    // Names in GraphQL need no escaping in JSON.
    to.push('"');
    to.push_str(name);
    to.push_str("\":");
}

/// Writes the cursor of a message in its list.
fn message_cursor(message: &Message, to: &mut LimitedJson<'_>) {
    string(&cursor::encode_message(message.id.room, message.id.index), to);
}

fn list<T>(items: &[T], to: &mut LimitedJson<'_>, mut write: impl FnMut(&T, &mut LimitedJson<'_>)) {
    to.short().push('[');
    for (i, item) in items.iter().enumerate() {
        if !to.has_room() {
            return;
        }
        if i > 0 {
            to.short().push(',');
        }
        write(item, to);
    }
    to.short().push(']');
}

fn or_null<T>(value: Option<T>, to: &mut LimitedJson<'_>, write: impl FnOnce(T, &mut LimitedJson<'_>)) {
    match value {
        Some(value) => write(value, to),
        None => to.short().push_str("null"),
    }
}

fn boolean(value: bool, to: &mut LimitedJson<'_>) {
    to.short().push_str(if value { "true" } else { "false" });
}

fn number(value: u64, to: &mut LimitedJson<'_>) {
    let _ = write!(to.short(), "{value}");
}

/// Writes an id, whose digits and dashes need no escaping.
fn unescaped(id: impl std::fmt::Display, to: &mut LimitedJson<'_>) {
    let _ = write!(to.short(), "\"{id}\"");
}

fn timestamp(at: Timestamp, to: &mut LimitedJson<'_>) {
    let to = to.short();
    to.push('"');
    write_timestamp(at, to);
    to.push('"');
}

/// Writes a string as JSON.
fn string(text: &str, to: &mut LimitedJson<'_>) {
    to.short().push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        to.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => to.short().push_str("\\\""),
            b'\\' => to.short().push_str("\\\\"),
            b'\n' => to.short().push_str("\\n"),
            b'\r' => to.short().push_str("\\r"),
            b'\t' => to.short().push_str("\\t"),
            0x08 => to.short().push_str("\\b"),
            0x0c => to.short().push_str("\\f"),
            control => {
                let _ = write!(to.short(), "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    to.push_str(rest);
    to.short().push('"');
}
