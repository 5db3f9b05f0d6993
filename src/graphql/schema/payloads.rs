//! The payloads of mutations.

use async_graphql::{Context, ID, Result, SimpleObject};

use crate::chat::{Accepted, ChangeSettings, Chat, Joined, cursor};
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::message::Message;
use crate::graphql::schema::request_data::client_key;
use crate::graphql::schema::room::Room;
use crate::graphql::schema::types::{Ban, Chatter, DateTime};

/// A new room.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateRoomPayload {
    /// The room, with its code.
    pub(super) room: Room,
    /// Makes its holder the owner of the room: the owner mutations, Room.bans and, once, a message or joinRoom take it. Returned only
    /// here, so keep it; the server stores only its hash.
    pub(super) owner_token: String,
}

impl CreateRoomPayload {
    pub(super) async fn create(
        ctx: &Context<'_>,
        settings: ChangeSettings<'_>,
        identity: Option<&str>,
    ) -> Result<Self> {
        // Boxed for the same reason as in `reads`.
        let created = Box::pin(ctx.data::<Chat>()?.create_room(client_key(ctx), settings, identity)).await;
        let (state, owner_token) = created.map_err(chat_error)?;
        Ok(Self { room: Room::new(state), owner_token: owner_token.reveal() })
    }
}

/// A user that has joined a room.
#[derive(SimpleObject)]
pub(in crate::graphql) struct JoinRoomPayload {
    /// The user.
    pub(super) user: Chatter,
    /// The token for this user's next action.
    pub(super) token: String,
    /// For presence and setTyping in this room. It stays the same, and is worth nothing elsewhere.
    pub(super) presence_token: String,
    /// The position of this response in the room's events.
    pub(super) cursor: String,
}

impl From<Joined> for JoinRoomPayload {
    fn from(joined: Joined) -> Self {
        Self {
            user: joined.user.into(),
            token: joined.token.reveal(),
            presence_token: joined.presence_token,
            cursor: cursor::encode_event(joined.room, joined.position),
        }
    }
}

/// A message that was sent.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SendMessagePayload {
    /// The message as it is now.
    pub(super) message: Message,
    /// The user who sent it.
    pub(super) author: Chatter,
    /// The token for this user's next action.
    pub(super) token: String,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

impl From<Accepted> for SendMessagePayload {
    fn from(sent: Accepted) -> Self {
        let author = sent.author.clone().into();
        let (message, token, cursor) = parts_of(sent);
        Self { message, author, token, cursor }
    }
}

/// A message that was edited.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EditMessagePayload {
    /// The message as it is now.
    pub(super) message: Message,
    /// The token for this user's next action.
    pub(super) token: String,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

impl From<Accepted> for EditMessagePayload {
    fn from(accepted: Accepted) -> Self {
        let (message, token, cursor) = parts_of(accepted);
        Self { message, token, cursor }
    }
}

/// A message that was deleted.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeleteMessagePayload {
    /// The message without its text.
    pub(super) message: Message,
    /// The token for this user's next action.
    pub(super) token: String,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

impl From<Accepted> for DeleteMessagePayload {
    fn from(accepted: Accepted) -> Self {
        let (message, token, cursor) = parts_of(accepted);
        Self { message, token, cursor }
    }
}

/// A reaction that was added.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AddReactionPayload {
    /// The message as it is now.
    pub(super) message: Message,
    /// The token for this user's next action.
    pub(super) token: String,
    /// The position of this response in the room's events. The ReactionsChanged event may follow up to a second later.
    pub(super) cursor: String,
}

impl From<Accepted> for AddReactionPayload {
    fn from(accepted: Accepted) -> Self {
        let (message, token, cursor) = parts_of(accepted);
        Self { message, token, cursor }
    }
}

/// A reaction that was removed.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RemoveReactionPayload {
    /// The message as it is now.
    pub(super) message: Message,
    /// The token for this user's next action.
    pub(super) token: String,
    /// The position of this response in the room's events. The ReactionsChanged event may follow up to a second later.
    pub(super) cursor: String,
}

impl From<Accepted> for RemoveReactionPayload {
    fn from(accepted: Accepted) -> Self {
        let (message, token, cursor) = parts_of(accepted);
        Self { message, token, cursor }
    }
}

/// The message, the next token and the cursor of an accepted action.
fn parts_of(accepted: Accepted) -> (Message, String, String) {
    let cursor = cursor::encode_event(accepted.message.id.room, accepted.position);
    (accepted.message.into(), accepted.token.reveal(), cursor)
}

/// A user who is shown as typing.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SetTypingPayload {
    /// When the user is no longer shown as typing, unless it sends a message or calls setTyping again before.
    pub(super) until: DateTime,
}

/// A room whose settings were changed.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UpdateRoomPayload {
    /// The room as it is now.
    pub(super) room: Room,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

/// A message that the owner removed.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RemoveMessagePayload {
    /// The message without its text.
    pub(super) message: Message,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

/// A user that was banned.
#[derive(SimpleObject)]
pub(in crate::graphql) struct BanUserPayload {
    /// The ban.
    pub(super) ban: Ban,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

/// A user whose ban was lifted.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UnbanUserPayload {
    /// The user.
    pub(super) user: Chatter,
    /// The cursor of this event in the room.
    pub(super) cursor: String,
}

/// A room that was ended.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EndRoomPayload {
    /// The id of the room, which no longer exists.
    pub(super) room_id: ID,
}
