//! Which fields a plan can hold, and how each is written. One enum a type of the schema; those of its fields that ask
//! the service once more are not here.

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

/// A field that was chosen, and how the client calls it.
#[derive(Debug)]
pub(super) struct Chosen<F> {
    /// The name and its colon, as JSON.
    key: String,
    /// `None` is the name of the type.
    field: Option<F>,
}

/// Finds out what was chosen.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'a> {
    pub(super) document: &'a ExecutableDocument,
    pub(super) introspection: bool,
}

/// The fields of one type of the schema.
pub(super) trait Fields: Sized {
    const TYPE: &'static str;

    /// The field, with what was chosen of its own; `None` when it cannot be planned.
    fn of(field: &Field, chooser: Chooser<'_>) -> Option<Self>;
}

impl<'a> Chooser<'a> {
    /// What was chosen of a type; `None` when not all of it can be planned. Fragments are put in: how many there may be was
    /// checked before.
    pub(super) fn choose<F: Fields>(self, set: &SelectionSet) -> Option<Vec<Chosen<F>>> {
        let mut chosen = Vec::new();
        self.add(set, &mut chosen)?;
        Some(chosen)
    }

    fn add<F: Fields>(self, set: &SelectionSet, to: &mut Vec<Chosen<F>>) -> Option<()> {
        for selection in &set.items {
            if !selection.node.directives().is_empty() {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let mut name = String::new();
                    key(&field.response_key().node, &mut name);
                    // Chosen twice, it would have to be merged.
                    if to.iter().any(|known| known.key == name) {
                        return None;
                    }
                    let field = match field.name.node.as_str() {
                        "__typename" if self.introspection => None,
                        _ => Some(F::of(field, self)?),
                    };
                    to.push(Chosen { key: name, field });
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

/// The condition and the fields of a fragment; `None` for what is no fragment, or one with a directive of its own.
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

/// The fields with messages among those of a room.
pub(super) fn messages_in<'a>(set: &'a SelectionSet, document: &'a ExecutableDocument, found: &mut Vec<&'a Field>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if field.node.name.node == "messages" => found.push(&field.node),
            Selection::Field(_) => {}
            fragment => {
                if let Some((_, set)) = fragment_of(fragment, document) {
                    messages_in(set, document, found);
                }
            }
        }
    }
}

/// What can be written as an object of the schema.
pub(super) trait Written {
    type Field: Fields;

    fn write_field(&self, field: &Self::Field, to: &mut LimitedJson<'_>);

    fn write(&self, chosen: &[Chosen<Self::Field>], to: &mut LimitedJson<'_>) {
        to.short().push('{');
        for (i, Chosen { key, field }) in chosen.iter().enumerate() {
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

/// The fields of a type, by their names in the schema. Those that are objects hold what was chosen of them.
macro_rules! fields {
    ($name:ident, $type:literal, { $($leaf:literal => $variant:ident),* $(; $object:literal => $of:ident($fields:ty))* }) => {
        #[derive(Debug)]
        pub(super) enum $name {
            $($variant,)*
            $($of(Vec<Chosen<$fields>>),)*
        }

        impl Fields for $name {
            const TYPE: &'static str = $type;

            #[allow(unused_variables, reason = "not every type has fields that are objects")]
            fn of(field: &Field, chooser: Chooser<'_>) -> Option<Self> {
                match field.name.node.as_str() {
                    $($leaf => Some(Self::$variant),)*
                    $($object => chooser.choose(&field.selection_set.node).map(Self::$of),)*
                    _ => None,
                }
            }
        }
    };
}

fields!(OfChatter, "Chatter", { "id" => Id, "displayName" => DisplayName });
fields!(OfMessage, "Message", {
    "id" => Id, "index" => Index, "text" => Text, "createdAt" => CreatedAt, "editedAt" => EditedAt,
    "deletedAt" => DeletedAt, "clientMessageId" => ClientMessageId;
    "author" => Author(OfChatter)
});
fields!(OfSent, "SendMessagePayload", {
    "token" => Token, "cursor" => Cursor; "message" => Message(OfMessage); "author" => Author(OfChatter)
});
fields!(OfPageInfo, "PageInfo", {
    "hasNextPage" => HasNextPage, "hasPreviousPage" => HasPreviousPage, "startCursor" => StartCursor,
    "endCursor" => EndCursor
});
fields!(OfEdge, "MessageEdge", { "cursor" => Cursor; "node" => Node(OfMessage) });
fields!(OfMessages, "MessageConnection", {
    "totalCount" => TotalCount;
    "nodes" => Nodes(OfMessage); "edges" => Edges(OfEdge); "pageInfo" => PageInfo(OfPageInfo)
});
fields!(OfRoom, "Room", {
    "id" => Id, "code" => Code, "createdAt" => CreatedAt, "expiresAt" => ExpiresAt, "chatterCount" => ChatterCount,
    "cursor" => Cursor;
    "messages" => Messages(OfMessages)
});

impl Written for User {
    type Field = OfChatter;

    fn write_field(&self, field: &OfChatter, to: &mut LimitedJson<'_>) {
        match field {
            OfChatter::Id => string(self.id.as_str(), to),
            OfChatter::DisplayName => string(self.display_name.as_str(), to),
        }
    }
}

impl Written for Message {
    type Field = OfMessage;

    fn write_field(&self, field: &OfMessage, to: &mut LimitedJson<'_>) {
        match field {
            OfMessage::Id => plain(self.id, to),
            OfMessage::Index => number(self.id.index, to),
            OfMessage::Text => or_null(self.text.as_ref().map(MessageText::as_str), to, string),
            OfMessage::CreatedAt => moment(self.created_at, to),
            OfMessage::EditedAt => or_null(self.edited_at, to, moment),
            OfMessage::DeletedAt => or_null(self.deleted_at, to, moment),
            OfMessage::ClientMessageId => or_null(self.client_message_id.as_ref().map(|id| id.as_str()), to, string),
            OfMessage::Author(chosen) => self.author.write(chosen, to),
        }
    }
}

impl Written for Accepted {
    type Field = OfSent;

    fn write_field(&self, field: &OfSent, to: &mut LimitedJson<'_>) {
        match field {
            OfSent::Token => string(&self.token.reveal(), to),
            OfSent::Cursor => string(&cursor::encode_event(self.event.room(), self.event.position), to),
            OfSent::Message(chosen) => self.event.message.write(chosen, to),
            OfSent::Author(chosen) => self.author.write(chosen, to),
        }
    }
}

/// A room, read together with a page of its messages.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Of what the messages are; none where none were asked for.
    pub(super) window: Option<Window>,
}

impl Written for Page<'_> {
    type Field = OfRoom;

    fn write_field(&self, field: &OfRoom, to: &mut LimitedJson<'_>) {
        let state = &self.snapshot.state;
        match field {
            OfRoom::Id => plain(state.room.id, to),
            OfRoom::Code => string(state.room.code.reveal(), to),
            OfRoom::CreatedAt => moment(state.room.created_at, to),
            OfRoom::ExpiresAt => moment(state.room.expires_at, to),
            OfRoom::ChatterCount => number(state.user_count, to),
            OfRoom::Cursor => string(&cursor::encode_event(state.room.id, state.head), to),
            OfRoom::Messages(chosen) => Messages(*self).write(chosen, to),
        }
    }
}

struct Messages<'a>(Page<'a>);

impl Written for Messages<'_> {
    type Field = OfMessages;

    fn write_field(&self, field: &OfMessages, to: &mut LimitedJson<'_>) {
        let messages = &self.0.snapshot.messages;
        match field {
            OfMessages::TotalCount => number(self.0.snapshot.state.message_count, to),
            OfMessages::Nodes(chosen) => list(messages, to, |message, to| message.write(chosen, to)),
            OfMessages::Edges(chosen) => list(messages, to, |message, to| Edge(message).write(chosen, to)),
            OfMessages::PageInfo(chosen) => PageInfo(self.0).write(chosen, to),
        }
    }
}

struct Edge<'a>(&'a Message);

impl Written for Edge<'_> {
    type Field = OfEdge;

    fn write_field(&self, field: &OfEdge, to: &mut LimitedJson<'_>) {
        match field {
            OfEdge::Cursor => place(self.0, to),
            OfEdge::Node(chosen) => self.0.write(chosen, to),
        }
    }
}

struct PageInfo<'a>(Page<'a>);

impl Written for PageInfo<'_> {
    type Field = OfPageInfo;

    fn write_field(&self, field: &OfPageInfo, to: &mut LimitedJson<'_>) {
        let Page { snapshot, window } = self.0;
        let total = snapshot.state.message_count;
        let range = window.map_or(0..0, |window| window.range(total));
        match field {
            OfPageInfo::HasNextPage => boolean(range.end < total, to),
            OfPageInfo::HasPreviousPage => boolean(range.start > 0, to),
            OfPageInfo::StartCursor => or_null(snapshot.messages.first(), to, place),
            OfPageInfo::EndCursor => or_null(snapshot.messages.last(), to, place),
        }
    }
}

/// Writes a name and its colon.
pub(super) fn key(name: &str, to: &mut String) {
    // A name of GraphQL has nothing in it that JSON writes in another way.
    to.push('"');
    to.push_str(name);
    to.push_str("\":");
}

/// Writes the place of a message in its list.
fn place(message: &Message, to: &mut LimitedJson<'_>) {
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

/// Writes what needs no escaping: digits and dashes.
fn plain(id: impl std::fmt::Display, to: &mut LimitedJson<'_>) {
    let _ = write!(to.short(), "\"{id}\"");
}

fn moment(at: Timestamp, to: &mut LimitedJson<'_>) {
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
