//! What can be changed.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::chat::{Accepted, ChangeMessage, Chat, MessageRef, RoomKey, SendMessage};
use crate::domain::client_key::ClientKey;
use crate::domain::cursor;
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::types::{Chatter, Message, Room};

/// What can be changed.
pub struct Mutation;

/// What can be changed.
#[Object]
impl Mutation {
    /// Makes a room. Whoever gets its id and code can enter.
    async fn create_room(&self, ctx: &Context<'_>) -> Result<CreateRoomPayload> {
        CreateRoomPayload::make(ctx).await
    }

    /// Sends a message to a room. A user is made known by its first message.
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, the room it goes to, and who sends it.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload> {
        let send = SendMessage {
            room: RoomKey { id: &input.room_id, code: &input.room_code },
            user_id: input.user_id.as_deref().map(String::as_str),
            token: input.token.as_deref(),
            display_name: input.display_name.as_deref(),
            text: &input.text,
            client_message_id: input.client_message_id.as_deref().map(String::as_str),
        };
        let sent = ctx.data::<Chat>()?.send_message(*ctx.data::<ClientKey>()?, send).await.map_err(chat_error)?;
        let author = sent.author.clone().into();
        let (message, token, cursor) = told(sent);
        Ok(SendMessagePayload { message, author, token, cursor })
    }

    /// Replaces the text of a message. Only its author may.
    async fn edit_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, its new text, and who edits it.")] input: EditMessageInput,
    ) -> Result<EditMessagePayload> {
        let change = ChangeMessage {
            room: RoomKey { id: &input.room_id, code: &input.room_code },
            user_id: &input.user_id,
            token: &input.token,
            message: MessageRef::Id(&input.message_id),
        };
        let edited = ctx
            .data::<Chat>()?
            .edit_message(*ctx.data::<ClientKey>()?, change, &input.text)
            .await
            .map_err(chat_error)?;
        let (message, token, cursor) = told(edited);
        Ok(EditMessagePayload { message, token, cursor })
    }

    /// Deletes a message: its place stays, its text is gone from every answer. Only its author may.
    async fn delete_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, and who deletes it.")] input: DeleteMessageInput,
    ) -> Result<DeleteMessagePayload> {
        let change = ChangeMessage {
            room: RoomKey { id: &input.room_id, code: &input.room_code },
            user_id: &input.user_id,
            token: &input.token,
            message: MessageRef::Id(&input.message_id),
        };
        let deleted =
            ctx.data::<Chat>()?.delete_message(*ctx.data::<ClientKey>()?, change).await.map_err(chat_error)?;
        let (message, token, cursor) = told(deleted);
        Ok(DeleteMessagePayload { message, token, cursor })
    }
}

fn told(accepted: Accepted) -> (Message, String, String) {
    let cursor = cursor::of_event(accepted.event.room(), accepted.event.position);
    (Message(accepted.event.message), accepted.token.reveal(), cursor)
}

/// A message to send.
#[derive(InputObject)]
pub struct SendMessageInput {
    /// The room to send to.
    room_id: ID,
    /// The room's code.
    room_code: String,
    /// Chosen by the client, 10 to 128 characters; omitted: one is assigned and returned.
    user_id: Option<ID>,
    /// The token returned by this user's previous action; omitted on the first. A client that wants to repeat even its
    /// first action when the answer is lost sends 32 random hex digits of its own with it.
    token: Option<String>,
    /// Used on the user's first message; without it: Anon# and five digits. 1 to 64 characters.
    display_name: Option<String>,
    /// 1 to 4,000 characters, one of them visible; of control characters only newline and tab. CR LF is stored as newline.
    text: String,
    /// Makes a repeat safe: the same id by the same user in the same room gives the first result again.
    /// 1 to 128 characters.
    client_message_id: Option<ID>,
}

/// A text to put in place of a message's.
#[derive(InputObject)]
pub struct EditMessageInput {
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
pub struct DeleteMessageInput {
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
pub struct CreateRoomPayload {
    /// The room, with its code.
    room: Room,
}

impl CreateRoomPayload {
    pub(in crate::graphql) async fn make(ctx: &Context<'_>) -> Result<Self> {
        let state = ctx.data::<Chat>()?.create_room(*ctx.data::<ClientKey>()?).await.map_err(chat_error)?;
        Ok(Self { room: Room::new(state) })
    }
}

/// A message that was sent.
#[derive(SimpleObject)]
pub struct SendMessagePayload {
    /// The message as it is now.
    message: Message,
    /// The user who sent it.
    author: Chatter,
    /// Send it with this user's next action.
    token: String,
    /// The position of the sending in the room's events.
    cursor: String,
}

/// A message that was edited.
#[derive(SimpleObject)]
pub struct EditMessagePayload {
    /// The message as it is now.
    message: Message,
    /// Send it with this user's next action.
    token: String,
    /// The position of the edit in the room's events.
    cursor: String,
}

/// A message that was deleted.
#[derive(SimpleObject)]
pub struct DeleteMessagePayload {
    /// What is left of the message.
    message: Message,
    /// Send it with this user's next action.
    token: String,
    /// The position of the deletion in the room's events.
    cursor: String,
}
