//! The fields that a plan can have, and how each is serialized. Each type of the schema has an enum of its fields, without
//! those that need further calls of the service.

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet, TypeCondition};
use async_graphql::{Name, Positioned};
use async_graphql_value::Value;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use crate::chat::{Accepted, RoomView, cursor};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::page::Window;
use crate::domain::reaction::ReactionCount;
use crate::domain::room::{RoomSettings, RoomTitle};
use crate::domain::user::{AvatarUrl, User};
use crate::graphql::execution::fast_path::rendered_messages::RenderedMessages;
use crate::graphql::schema::types::{ChatterRole, DateTime};

/// The selection set of a field, with fragments spread.
#[derive(Debug)]
pub(super) struct Selected<F> {
    /// Identifies the selection set in the cache of rendered messages.
    pub(super) id: u64,
    /// The arguments of the field.
    pub(super) arguments: Vec<(Positioned<Name>, Positioned<Value>)>,
    pub(super) fields: Vec<SelectedField<F>>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// A selected field and its key in the response.
#[derive(Debug)]
pub(super) struct SelectedField<F> {
    key: String,
    /// `None` stands for `__typename`.
    pub(super) field: Option<F>,
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
    /// Reads the selection set of a field; `None` if a plan cannot have all of its fields. The number of fragments is within its
    /// limit.
    pub(super) fn select<F: Fields>(self, field: &Field) -> Option<Selected<F>> {
        let mut fields = Vec::new();
        self.add(&field.selection_set.node, &mut fields)?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Some(Selected { id, arguments: field.arguments.clone(), fields })
    }

    fn add<F: Fields>(self, set: &SelectionSet, to: &mut Vec<SelectedField<F>>) -> Option<()> {
        for selection in &set.items {
            if !selection.node.directives().is_empty() {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = field.response_key().node.to_string();
                    // A field that is selected twice would have to be merged.
                    if to.iter().any(|known| known.key == key) {
                        return None;
                    }
                    let field = match field.name.node.as_str() {
                        "__typename" if self.introspection => None,
                        _ => Some(F::read(field, self)?),
                    };
                    to.push(SelectedField { key, field });
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

/// A value that is serialized as an object of the schema.
pub(super) trait Object {
    type Field: Fields;

    /// Serializes the value of a field, whose key precedes it.
    fn serialize_field<M: SerializeMap>(&self, field: &Self::Field, to: &mut M) -> Result<(), M::Error>;
}

/// An object with the fields of it that an operation selects.
pub(super) struct WithFields<'a, O: Object>(pub(super) O, pub(super) &'a Selected<O::Field>);

impl<O: Object> Serialize for WithFields<'_, O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(object, selected) = self;
        let mut map = serializer.serialize_map(None)?;
        for SelectedField { key, field } in &selected.fields {
            map.serialize_key(key)?;
            match field {
                Some(field) => object.serialize_field(field, &mut map)?,
                None => map.serialize_value(O::Field::TYPE)?,
            }
        }
        map.end()
    }
}

/// An object with one field of any name.
pub(super) struct Only<'a, T>(pub(super) &'a str, pub(super) T);

impl<T: Serialize> Serialize for Only<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, &self.1)])
    }
}

/// Defines the enum of the fields of a type, by their names in the schema. Fields that are objects hold their selected fields.
macro_rules! fields {
    ($name:ident, $type:literal, { $($leaf:literal => $variant:ident),* $(; $object:literal => $of:ident($fields:ty))* }) => {
        #[derive(Debug)]
        pub(super) enum $name {
            $($variant,)*
            $($of(Selected<$fields>),)*
        }

        impl Fields for $name {
            const TYPE: &'static str = $type;

            #[allow(unused_variables, reason = "some types have no object fields")]
            fn read(field: &Field, selector: Selector<'_>) -> Option<Self> {
                match field.name.node.as_str() {
                    $($leaf => Some(Self::$variant),)*
                    $($object => selector.select(field).map(Self::$of),)*
                    _ => None,
                }
            }
        }
    };
}

fields!(ChatterField, "Chatter", {
    "id" => Id, "displayName" => DisplayName, "avatarUrl" => AvatarUrl, "isVerified" => IsVerified
});
fields!(ReactionField, "ReactionCount", { "emoji" => Emoji, "count" => Count });
fields!(MessageField, "Message", {
    "id" => Id, "index" => Index, "text" => Text, "createdAt" => CreatedAt, "editedAt" => EditedAt,
    "deletedAt" => DeletedAt, "deletedBy" => DeletedBy, "clientMessageId" => ClientMessageId,
    "authorRole" => AuthorRole, "replyToId" => ReplyToId;
    "author" => Author(ChatterField); "reactions" => Reactions(ReactionField)
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
fields!(SettingsField, "RoomSettings", {
    "title" => Title, "listed" => Listed, "capacity" => Capacity, "slowModeSeconds" => SlowModeSeconds,
    "locked" => Locked
});
fields!(RoomField, "Room", {
    "id" => Id, "code" => Code, "title" => Title, "createdAt" => CreatedAt, "expiresAt" => ExpiresAt,
    "chatterCount" => ChatterCount, "cursor" => Cursor;
    "settings" => Settings(SettingsField);
    "messages" => Messages(MessageConnectionField)
});

impl Object for &User {
    type Field = ChatterField;

    fn serialize_field<M: SerializeMap>(&self, field: &ChatterField, to: &mut M) -> Result<(), M::Error> {
        match field {
            ChatterField::Id => to.serialize_value(self.id.as_str()),
            ChatterField::DisplayName => to.serialize_value(self.display_name.as_str()),
            ChatterField::AvatarUrl => to.serialize_value(&self.avatar_url.as_ref().map(AvatarUrl::as_str)),
            ChatterField::IsVerified => to.serialize_value(&self.id.is_signed()),
        }
    }
}

impl Object for &ReactionCount {
    type Field = ReactionField;

    fn serialize_field<M: SerializeMap>(&self, field: &ReactionField, to: &mut M) -> Result<(), M::Error> {
        match field {
            ReactionField::Emoji => to.serialize_value(self.emoji.as_str()),
            ReactionField::Count => to.serialize_value(&self.count),
        }
    }
}

impl Object for &Message {
    type Field = MessageField;

    fn serialize_field<M: SerializeMap>(&self, field: &MessageField, to: &mut M) -> Result<(), M::Error> {
        match field {
            MessageField::Id => to.serialize_value(&format_args!("{}", self.id)),
            MessageField::Index => to.serialize_value(&self.id.index),
            MessageField::Text => to.serialize_value(&self.text.as_ref().map(MessageText::as_str)),
            MessageField::CreatedAt => to.serialize_value(&DateTime(self.created_at)),
            MessageField::EditedAt => to.serialize_value(&self.edited_at.map(DateTime)),
            MessageField::DeletedAt => to.serialize_value(&self.deleted_at.map(DateTime)),
            MessageField::DeletedBy => to.serialize_value(&self.deleted_by.map(ChatterRole::from)),
            MessageField::AuthorRole => to.serialize_value(&ChatterRole::from(self.author_role)),
            MessageField::ReplyToId => {
                let id = self.reply_to.map(|index| MessageId { room: self.id.room, index }.to_string());
                to.serialize_value(&id)
            }
            MessageField::Reactions(selected) => {
                let reactions: Vec<_> = self.reactions.iter().map(|reaction| WithFields(reaction, selected)).collect();
                to.serialize_value(&reactions)
            }
            MessageField::ClientMessageId => {
                to.serialize_value(&self.client_message_id.as_ref().map(ClientMessageId::as_str))
            }
            MessageField::Author(selected) => to.serialize_value(&WithFields(&self.author, selected)),
        }
    }
}

impl Object for &Accepted {
    type Field = SentField;

    fn serialize_field<M: SerializeMap>(&self, field: &SentField, to: &mut M) -> Result<(), M::Error> {
        match field {
            SentField::Token => to.serialize_value(&self.token.reveal()),
            SentField::Cursor => to.serialize_value(&cursor::encode_event(self.message.id.room, self.position)),
            SentField::Message(selected) => to.serialize_value(&WithFields(&self.message, selected)),
            SentField::Author(selected) => to.serialize_value(&WithFields(&self.author, selected)),
        }
    }
}

/// A room, read together with a page of its messages.
#[derive(Clone, Copy)]
pub(super) struct RoomPage<'a> {
    pub(super) room: &'a RoomView,
    /// The window of the messages; `None` if no messages were selected.
    pub(super) window: Option<Window>,
    pub(super) rendered: &'a RenderedMessages,
}

impl Object for RoomPage<'_> {
    type Field = RoomField;

    fn serialize_field<M: SerializeMap>(&self, field: &RoomField, to: &mut M) -> Result<(), M::Error> {
        let state = &self.room.state;
        match field {
            RoomField::Id => to.serialize_value(&format_args!("{}", state.room.id)),
            RoomField::Code => to.serialize_value(state.room.code.reveal()),
            RoomField::CreatedAt => to.serialize_value(&DateTime(state.room.created_at)),
            RoomField::ExpiresAt => to.serialize_value(&DateTime(state.room.expires_at)),
            RoomField::ChatterCount => to.serialize_value(&state.user_count),
            RoomField::Cursor => to.serialize_value(&cursor::encode_event(state.room.id, state.head)),
            RoomField::Title => to.serialize_value(&state.settings.title.as_ref().map(RoomTitle::as_str)),
            RoomField::Settings(selected) => to.serialize_value(&WithFields(&state.settings, selected)),
            RoomField::Messages(selected) => to.serialize_value(&WithFields(Messages(*self), selected)),
        }
    }
}

impl Object for &RoomSettings {
    type Field = SettingsField;

    fn serialize_field<M: SerializeMap>(&self, field: &SettingsField, to: &mut M) -> Result<(), M::Error> {
        match field {
            SettingsField::Title => to.serialize_value(&self.title.as_ref().map(RoomTitle::as_str)),
            SettingsField::Listed => to.serialize_value(&self.listed),
            SettingsField::Capacity => to.serialize_value(&self.capacity),
            SettingsField::SlowModeSeconds => to.serialize_value(&self.slow_mode_seconds),
            SettingsField::Locked => to.serialize_value(&self.locked),
        }
    }
}

struct Messages<'a>(RoomPage<'a>);

impl Object for Messages<'_> {
    type Field = MessageConnectionField;

    fn serialize_field<M: SerializeMap>(&self, field: &MessageConnectionField, to: &mut M) -> Result<(), M::Error> {
        let messages = self.0.room.messages.iter();
        match field {
            MessageConnectionField::TotalCount => to.serialize_value(&self.0.room.state.message_count),
            MessageConnectionField::Nodes(selected) => {
                let nodes: Vec<_> =
                    messages.map(|message| Rendered { message, selected, of: self.0.rendered }).collect();
                to.serialize_value(&nodes)
            }
            MessageConnectionField::Edges(selected) => {
                let edge = |message| WithFields(Edge { message, rendered: self.0.rendered }, selected);
                let edges: Vec<_> = messages.map(edge).collect();
                to.serialize_value(&edges)
            }
            MessageConnectionField::PageInfo(selected) => to.serialize_value(&WithFields(PageInfo(self.0), selected)),
        }
    }
}

/// A message with the fields of it that an operation selects, taken from the cache of rendered messages.
struct Rendered<'a> {
    message: &'a Message,
    selected: &'a Selected<MessageField>,
    of: &'a RenderedMessages,
}

impl Serialize for Rendered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let with_fields = WithFields(self.message, self.selected);
        self.of.get(self.message, self.selected.id, &with_fields).map_err(S::Error::custom)?.serialize(serializer)
    }
}

struct Edge<'a> {
    message: &'a Message,
    rendered: &'a RenderedMessages,
}

impl Object for Edge<'_> {
    type Field = MessageEdgeField;

    fn serialize_field<M: SerializeMap>(&self, field: &MessageEdgeField, to: &mut M) -> Result<(), M::Error> {
        match field {
            MessageEdgeField::Cursor => to.serialize_value(&cursor_of(self.message)),
            MessageEdgeField::Node(selected) => {
                to.serialize_value(&Rendered { message: self.message, selected, of: self.rendered })
            }
        }
    }
}

struct PageInfo<'a>(RoomPage<'a>);

impl Object for PageInfo<'_> {
    type Field = PageInfoField;

    fn serialize_field<M: SerializeMap>(&self, field: &PageInfoField, to: &mut M) -> Result<(), M::Error> {
        let RoomPage { room, window, .. } = self.0;
        let total = room.state.message_count;
        let range = window.map_or(0..0, |window| window.range(total));
        match field {
            PageInfoField::HasNextPage => to.serialize_value(&(range.end < total)),
            PageInfoField::HasPreviousPage => to.serialize_value(&(range.start > 0)),
            PageInfoField::StartCursor => to.serialize_value(&room.messages.first().map(cursor_of)),
            PageInfoField::EndCursor => to.serialize_value(&room.messages.last().map(cursor_of)),
        }
    }
}

/// The cursor of a message in its list.
fn cursor_of(message: &Message) -> String {
    cursor::encode_message(message.id.room, message.id.index)
}
