//! The fields that a plan can have, and how each is serialized. Each type of the schema has an enum of its fields, without
//! those that need further calls of the service. Those of events are in `event_plan`.

use async_graphql::parser::types::Field;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use crate::chat::{Accepted, RoomView, cursor};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::page::Window;
use crate::domain::reaction::ReactionCount;
use crate::domain::room::{RoomSettings, RoomTitle};
use crate::domain::user::{AvatarUrl, User};
use crate::graphql::execution::fast_path::rendered_messages::RenderedMessages;
use crate::graphql::execution::fast_path::selection::{Fields, Object, Selected, Selector, WithFields, fields};
use crate::graphql::schema::types::{ChatterRole, DateTime};

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
