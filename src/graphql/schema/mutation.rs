//! The mutation root, its inputs and its payloads.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::chat::{Accepted, ChangeMessage, ChangeSettings, Chat, MessageRef, RoomKey, SendMessage, cursor};
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::request_data::client_key;
use crate::graphql::schema::room::Room;
use crate::graphql::schema::types::{Chatter, Message};

/// The mutations.
pub struct Mutation;

/// The mutations.
#[Object]
impl Mutation {
    /// Creates a room. Everyone who has its id and code can enter.
    async fn create_room(&self, ctx: &Context<'_>) -> Result<CreateRoomPayload> {
        CreateRoomPayload::create(ctx).await
    }

    /// Sends a message to a room. The first message of a user registers that user.
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, its room and its sender.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload> {
        let sent =
            Box::pin(ctx.data::<Chat>()?.send_message(client_key(ctx), input.as_send())).await.map_err(chat_error)?;
        let author = sent.author.clone().into();
        let (message, token, cursor) = parts_of(sent);
        Ok(SendMessagePayload { message, author, token, cursor })
    }

    /// Replaces the text of a message. Only its author may do this.
    async fn edit_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, its new text and its author.")] input: EditMessageInput,
    ) -> Result<EditMessagePayload> {
        let change = ChangeMessage {
            room: RoomKey { id: &input.room_id, code: &input.room_code },
            user_id: &input.user_id,
            token: &input.token,
            message: MessageRef::Id(&input.message_id),
        };
        let edited =
            ctx.data::<Chat>()?.edit_message(client_key(ctx), change, &input.text).await.map_err(chat_error)?;
        let (message, token, cursor) = parts_of(edited);
        Ok(EditMessagePayload { message, token, cursor })
    }

    /// Deletes a message. It keeps its place in the room, and its text is gone from every response. Only its author may do this.
    async fn delete_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message and its author.")] input: DeleteMessageInput,
    ) -> Result<DeleteMessagePayload> {
        let change = ChangeMessage {
            room: RoomKey { id: &input.room_id, code: &input.room_code },
            user_id: &input.user_id,
            token: &input.token,
            message: MessageRef::Id(&input.message_id),
        };
        let deleted = ctx.data::<Chat>()?.delete_message(client_key(ctx), change).await.map_err(chat_error)?;
        let (message, token, cursor) = parts_of(deleted);
        Ok(DeleteMessagePayload { message, token, cursor })
    }
}

/// The message, the next token and the cursor of an accepted action.
fn parts_of(accepted: Accepted) -> (Message, String, String) {
    let cursor = cursor::encode_event(accepted.message.id.room, accepted.position);
    (Message(accepted.message), accepted.token.reveal(), cursor)
}

/// A message to send.
#[derive(Deserialize, InputObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::graphql) struct SendMessageInput {
    /// The room to send to.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// The sender, an id of 10 to 128 characters chosen by the client. If omitted, the server assigns and returns one.
    user_id: Option<ID>,
    /// The token returned by this user's previous action. Omit it for the first action, or send 32 random hex digits, so that
    /// you can repeat the first action if its response is lost.
    token: Option<String>,
    /// The user's name, 1 to 64 characters. Only used with the user's first message. If omitted, Anon# and five digits.
    display_name: Option<String>,
    /// The text, 1 to 4,000 characters, at least one of them visible. The only control characters allowed are newline and
    /// tab. CR LF is stored as a newline.
    text: String,
    /// Makes a repeated send safe: the same id by the same user in the same room returns the first result again.
    /// 1 to 128 characters.
    client_message_id: Option<ID>,
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
            reply_to_id: None,
            owner_token: None,
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
    /// The token returned by this user's previous action.
    token: String,
    /// The message.
    message_id: ID,
    /// The new text, 1 to 4,000 characters.
    text: String,
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
    /// The token returned by this user's previous action.
    token: String,
    /// The message.
    message_id: ID,
}

/// A new room.
#[derive(SimpleObject)]
pub(in crate::graphql) struct CreateRoomPayload {
    /// The room, with its code.
    room: Room,
}

impl CreateRoomPayload {
    pub(in crate::graphql) async fn create(ctx: &Context<'_>) -> Result<Self> {
        // Boxed for the same reason as in `reads`.
        let settings = ChangeSettings::default();
        let created = Box::pin(ctx.data::<Chat>()?.create_room(client_key(ctx), settings)).await;
        let (state, _owner_token) = created.map_err(chat_error)?;
        Ok(Self { room: Room::new(state) })
    }
}

/// A message that was sent.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SendMessagePayload {
    /// The message as it is now.
    message: Message,
    /// The user who sent it.
    author: Chatter,
    /// The token for this user's next action.
    token: String,
    /// The cursor of this event in the room.
    cursor: String,
}

/// A message that was edited.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EditMessagePayload {
    /// The message as it is now.
    message: Message,
    /// The token for this user's next action.
    token: String,
    /// The cursor of this event in the room.
    cursor: String,
}

/// A message that was deleted.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeleteMessagePayload {
    /// The message without its text.
    message: Message,
    /// The token for this user's next action.
    token: String,
    /// The cursor of this event in the room.
    cursor: String,
}
