//! The inputs of mutations, as clients write them.

use async_graphql::{ID, InputObject, MaybeUndefined};
use serde::Deserialize;

use crate::chat::{
    BanUser, ChangeMessage, ChangeSettings, ChatError, JoinRoom, MessageRef, OwnerKey, React, RoomKey, SendMessage,
};
use crate::domain::violation::Field;

/// A room to create.
#[derive(InputObject)]
pub(in crate::graphql) struct CreateRoomInput {
    /// The title, 1 to 100 characters.
    title: Option<String>,
    /// Whether the lists of rooms show the room.
    #[graphql(default = true)]
    listed: bool,
    /// Maximum number of viewers at once, on all servers, at least 1. Further ones get ROOM_AT_CAPACITY. A soft limit: the counts of
    /// other servers are some seconds old.
    capacity: Option<i32>,
    /// Seconds between two messages of one user, 0 to 3,600. Owners are exempt.
    #[graphql(default = 0)]
    slow_mode_seconds: i32,
    /// An identity from the host site. Needed if the server lets only identified users create rooms.
    pub(in crate::graphql) identity: Option<String>,
}

impl CreateRoomInput {
    /// The settings of the new room.
    pub(in crate::graphql) fn as_settings(&self) -> ChangeSettings<'_> {
        ChangeSettings {
            title: Some(self.title.as_deref()),
            listed: Some(self.listed),
            capacity: Some(self.capacity),
            slow_mode_seconds: Some(self.slow_mode_seconds),
            locked: None,
        }
    }
}

/// A user who joins a room.
#[derive(InputObject)]
pub(in crate::graphql) struct JoinRoomInput {
    /// The room to join.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The user, an id of 10 to 128 characters chosen by the client, not beginning with @. If omitted, that of the identity,
    /// or one that the server assigns and returns.
    user_id: Option<ID>,
    /// The token returned by this user's previous action, or an identity from a site that vouches for the user. Omit it for the
    /// first action, or send 32 random hex digits, so that you can repeat the first action if its response is lost.
    token: Option<String>,
    /// The user's name, 1 to 64 characters. Only used with the user's first action. If omitted, Anon# and five digits.
    display_name: Option<String>,
    /// The token that createRoom returned. Makes the user an owner of the room for the room's life.
    owner_token: Option<String>,
}

impl JoinRoomInput {
    /// The input of the use case.
    pub(in crate::graphql) fn as_join(&self) -> JoinRoom<'_> {
        JoinRoom {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: self.user_id.as_deref().map(String::as_str),
            token: self.token.as_deref(),
            display_name: self.display_name.as_deref(),
            owner_token: self.owner_token.as_deref(),
        }
    }
}

/// A message to send.
#[derive(Deserialize, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::graphql) struct SendMessageInput {
    /// The room to send to.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The sender, an id of 10 to 128 characters chosen by the client, not beginning with @. If omitted, that of the identity,
    /// or one that the server assigns and returns.
    user_id: Option<ID>,
    /// The token returned by this user's previous action, or an identity from a site that vouches for the user. Omit it for the
    /// first action, or send 32 random hex digits, so that you can repeat the first action if its response is lost.
    token: Option<String>,
    /// The user's name, 1 to 64 characters. Only used with the user's first message. If omitted, Anon# and five digits.
    display_name: Option<String>,
    /// The text, 1 to 4,000 characters, at least one of them visible. The only control characters allowed are newline and
    /// tab. CR LF is stored as a newline.
    text: String,
    /// Makes a repeated send safe: the same id by the same user in the same room returns the first result again.
    /// 1 to 128 characters.
    client_message_id: Option<ID>,
    /// The message of the same room that this one answers. It may be deleted.
    reply_to_id: Option<ID>,
    /// The token that createRoom returned. Makes the sender an owner of the room for the room's life.
    owner_token: Option<String>,
}

impl SendMessageInput {
    /// The input of the use case.
    pub(in crate::graphql) fn as_send(&self) -> SendMessage<'_> {
        SendMessage {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: self.user_id.as_deref().map(String::as_str),
            token: self.token.as_deref(),
            display_name: self.display_name.as_deref(),
            text: &self.text,
            client_message_id: self.client_message_id.as_deref().map(String::as_str),
            reply_to_id: self.reply_to_id.as_deref().map(String::as_str),
            owner_token: self.owner_token.as_deref(),
        }
    }
}

/// A message to edit.
#[derive(InputObject)]
pub(in crate::graphql) struct EditMessageInput {
    /// The room the message is in.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The message's author.
    user_id: ID,
    /// The token returned by this user's previous action, or the user's identity.
    token: String,
    /// The message.
    message_id: ID,
    /// The new text, 1 to 4,000 characters.
    pub(super) text: String,
}

impl EditMessageInput {
    /// The message to change and its author.
    pub(super) fn as_change(&self) -> ChangeMessage<'_> {
        ChangeMessage {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: &self.user_id,
            token: &self.token,
            message: MessageRef::Id(&self.message_id),
        }
    }
}

/// A message to delete.
#[derive(InputObject)]
pub(in crate::graphql) struct DeleteMessageInput {
    /// The room the message is in.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The message's author.
    user_id: ID,
    /// The token returned by this user's previous action, or the user's identity.
    token: String,
    /// The message.
    message_id: ID,
}

impl DeleteMessageInput {
    /// The message to change and its author.
    pub(super) fn as_change(&self) -> ChangeMessage<'_> {
        ChangeMessage {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: &self.user_id,
            token: &self.token,
            message: MessageRef::Id(&self.message_id),
        }
    }
}

/// Defines the inputs to add and to remove a reaction, which have the same fields.
macro_rules! reaction_input {
    ($name:ident, $add:literal, $description:literal) => {
        #[doc = $description]
        #[derive(InputObject)]
        pub(in crate::graphql) struct $name {
            /// The room the message is in.
            room_id: ID,
            /// The room's code.
            room_code: String,
            /// The user who reacts.
            user_id: ID,
            /// The token returned by this user's previous action, or the user's identity.
            token: String,
            /// The message.
            message_id: ID,
            /// One emoji of at most 32 bytes.
            emoji: String,
        }

        impl $name {
            /// The input of the use case.
            pub(super) fn as_react(&self) -> React<'_> {
                React {
                    room: RoomKey { id: &self.room_id, code: &self.room_code },
                    user_id: &self.user_id,
                    token: &self.token,
                    message_id: &self.message_id,
                    emoji: &self.emoji,
                    add: $add,
                }
            }
        }
    };
}

reaction_input!(AddReactionInput, true, "A reaction to add.");
reaction_input!(RemoveReactionInput, false, "A reaction to remove.");

/// A user who is typing.
#[derive(InputObject)]
pub(in crate::graphql) struct SetTypingInput {
    /// The room.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The token that joinRoom returned for presence.
    pub(super) presence_token: String,
}

impl SetTypingInput {
    /// The room, and its code.
    pub(super) fn as_room(&self) -> RoomKey<'_> {
        RoomKey { id: &self.room_id, code: &self.room_code }
    }
}

/// Settings to change. An absent field leaves its setting as it is. Null clears `title` and `capacity`; for the others it is
/// VALIDATION_FAILED.
#[derive(InputObject)]
pub(in crate::graphql) struct UpdateRoomInput {
    /// The room.
    room_id: ID,
    /// The token that createRoom returned, or an identity with the role of the room's owner.
    owner_token: String,
    /// The title, 1 to 100 characters; null for none.
    title: MaybeUndefined<String>,
    /// Whether the lists of rooms show the room.
    listed: MaybeUndefined<bool>,
    /// Maximum number of viewers at once, on all servers, at least 1; null for no limit.
    capacity: MaybeUndefined<i32>,
    /// Seconds between two messages of one user, 0 to 3,600. A higher value also counts the room's last 1,000 messages before it.
    slow_mode_seconds: MaybeUndefined<i32>,
    /// Whether only the owner may write, edit and react.
    locked: MaybeUndefined<bool>,
}

impl UpdateRoomInput {
    /// The settings to change. Fails if one that cannot be cleared is null.
    pub(super) fn as_settings(&self) -> Result<ChangeSettings<'_>, ChatError> {
        Ok(ChangeSettings {
            title: self.title.as_opt_deref(),
            listed: not_null(&self.listed, Field::Listed)?,
            capacity: self.capacity.as_opt_ref().map(Option::<&i32>::copied),
            slow_mode_seconds: not_null(&self.slow_mode_seconds, Field::SlowModeSeconds)?,
            locked: not_null(&self.locked, Field::Locked)?,
        })
    }
}

/// A value that may be absent but not null.
fn not_null<T: Copy>(value: &MaybeUndefined<T>, field: Field) -> Result<Option<T>, ChatError> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(field.invalid("must not be null; leave it out to keep the setting").into()),
        MaybeUndefined::Value(value) => Ok(Some(*value)),
    }
}

/// A message to remove.
#[derive(InputObject)]
pub(in crate::graphql) struct RemoveMessageInput {
    /// The room the message is in.
    room_id: ID,
    /// The token that createRoom returned, or an identity with the role of the room's owner.
    owner_token: String,
    /// The message, whoever wrote it.
    pub(super) message_id: ID,
}

/// A user to ban. A user without a signed identity is banned together with the address from which it last wrote, so that a new id
/// does not help. Owners cannot be banned.
#[derive(InputObject)]
pub(in crate::graphql) struct BanUserInput {
    /// The room.
    room_id: ID,
    /// The token that createRoom returned, or an identity with the role of the room's owner.
    owner_token: String,
    /// The user, who has written in the room or joined it.
    user_id: ID,
    /// How long the ban holds, in seconds, at least 1; null for as long as the room exists.
    seconds: Option<i32>,
    /// The reason, 1 to 200 characters. Everyone in the room can read it.
    reason: Option<String>,
    /// Whether to remove the user's messages as well, each with an event of its own.
    #[graphql(default = false)]
    remove_messages: bool,
}

impl BanUserInput {
    /// The input of the use case.
    pub(super) fn as_ban(&self) -> BanUser<'_> {
        BanUser {
            user_id: &self.user_id,
            seconds: self.seconds,
            reason: self.reason.as_deref(),
            remove_messages: self.remove_messages,
        }
    }
}

/// A user whose ban to lift, together with that of its address.
#[derive(InputObject)]
pub(in crate::graphql) struct UnbanUserInput {
    /// The room.
    room_id: ID,
    /// The token that createRoom returned, or an identity with the role of the room's owner.
    owner_token: String,
    /// The user.
    pub(super) user_id: ID,
}

/// A room to end.
#[derive(InputObject)]
pub(in crate::graphql) struct EndRoomInput {
    /// The room.
    room_id: ID,
    /// The token that createRoom returned, or an identity with the role of the room's owner.
    owner_token: String,
}

/// Adds the key of the owner to inputs that have one.
macro_rules! owner_inputs {
    ($($name:ident),*) => {
        $(impl $name {
            /// The room, and the token that proves its owner.
            pub(super) fn as_owner(&self) -> OwnerKey<'_> {
                OwnerKey { room_id: &self.room_id, token: &self.owner_token }
            }
        })*
    };
}

owner_inputs!(UpdateRoomInput, RemoveMessageInput, BanUserInput, UnbanUserInput, EndRoomInput);
