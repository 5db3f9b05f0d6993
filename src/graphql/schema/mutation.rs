//! The mutation root.

use async_graphql::{Context, Object, Result};

use crate::chat::{ChangeSettings, Chat, cursor, ids};
use crate::domain::room::RoomId;
use crate::graphql::schema::error::{chat_error, violation_error};
use crate::graphql::schema::inputs::{
    AddReactionInput, BanUserInput, CreateRoomInput, DeleteMessageInput, EditMessageInput, EndRoomInput, JoinRoomInput,
    RemoveMessageInput, RemoveReactionInput, SendMessageInput, SetTypingInput, UnbanUserInput, UpdateRoomInput,
};
use crate::graphql::schema::payloads::{
    AddReactionPayload, BanUserPayload, CreateRoomPayload, DeleteMessagePayload, EditMessagePayload, EndRoomPayload,
    JoinRoomPayload, RemoveMessagePayload, RemoveReactionPayload, SendMessagePayload, SetTypingPayload,
    UnbanUserPayload, UpdateRoomPayload,
};
use crate::graphql::schema::request_data::client_key;
use crate::graphql::schema::room::Room;
use crate::graphql::schema::types::{Ban, DateTime};

/// The mutations.
pub struct Mutation;

// The futures of use cases are boxed for the same reason as in `reads`.
/// The mutations.
#[Object]
impl Mutation {
    /// Creates a room. Everyone who has its id and code can enter. Without input, the room is listed and has no title, no capacity
    /// and no slow mode.
    async fn create_room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The settings of the room.")] input: Option<CreateRoomInput>,
    ) -> Result<CreateRoomPayload> {
        let settings = input.as_ref().map_or_else(ChangeSettings::default, CreateRoomInput::as_settings);
        let identity = input.as_ref().and_then(|input| input.identity.as_deref());
        CreateRoomPayload::create(ctx, settings, identity).await
    }

    /// Registers a user in a room without a message, for presence, typing and reactions. The user counts as a chatter only after its
    /// first message.
    async fn join_room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room and the user.")] input: JoinRoomInput,
    ) -> Result<JoinRoomPayload> {
        let joined = Box::pin(ctx.data::<Chat>()?.join_room(client_key(ctx), input.as_join())).await;
        Ok(joined.map_err(chat_error)?.into())
    }

    /// Sends a message to a room. The first message of a user registers that user.
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, its room and its sender.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload> {
        let sent = Box::pin(ctx.data::<Chat>()?.send_message(client_key(ctx), input.as_send())).await;
        Ok(sent.map_err(chat_error)?.into())
    }

    /// Replaces the text of a message. Only its author may do this.
    async fn edit_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, its new text and its author.")] input: EditMessageInput,
    ) -> Result<EditMessagePayload> {
        let chat = ctx.data::<Chat>()?;
        let edited = Box::pin(chat.edit_message(client_key(ctx), input.as_change(), &input.text)).await;
        Ok(edited.map_err(chat_error)?.into())
    }

    /// Deletes a message. It keeps its place in the room, and its text is gone from every response. Only its author may do this.
    async fn delete_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message and its author.")] input: DeleteMessageInput,
    ) -> Result<DeleteMessagePayload> {
        let deleted = Box::pin(ctx.data::<Chat>()?.delete_message(client_key(ctx), input.as_change())).await;
        Ok(deleted.map_err(chat_error)?.into())
    }

    /// Reacts to a message with an emoji, as a user that has sent a message or joined a room before. A reaction that exists already
    /// changes nothing.
    async fn add_reaction(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, the emoji and the user.")] input: AddReactionInput,
    ) -> Result<AddReactionPayload> {
        let reacted = Box::pin(ctx.data::<Chat>()?.react(client_key(ctx), input.as_react())).await;
        Ok(reacted.map_err(chat_error)?.into())
    }

    /// Takes a reaction back. A reaction that does not exist changes nothing.
    async fn remove_reaction(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message, the emoji and the user.")] input: RemoveReactionInput,
    ) -> Result<RemoveReactionPayload> {
        let reacted = Box::pin(ctx.data::<Chat>()?.react(client_key(ctx), input.as_react())).await;
        Ok(reacted.map_err(chat_error)?.into())
    }

    /// Shows the others in a room that a user is typing, for five seconds or until its next message. Call it again every few seconds
    /// while the user types. Nothing is stored.
    async fn set_typing(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room and the user.")] input: SetTypingInput,
    ) -> Result<SetTypingPayload> {
        let chat = ctx.data::<Chat>()?;
        let until = Box::pin(chat.set_typing(client_key(ctx), input.as_room(), &input.presence_token)).await;
        Ok(SetTypingPayload { until: DateTime(until.map_err(chat_error)?) })
    }

    /// Changes settings of a room, as its owner.
    async fn update_room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room and the settings to change.")] input: UpdateRoomInput,
    ) -> Result<UpdateRoomPayload> {
        let settings = input.as_settings().map_err(chat_error)?;
        let chat = ctx.data::<Chat>()?;
        let updated = Box::pin(chat.update_room(client_key(ctx), input.as_owner(), settings)).await;
        let (view, position) = updated.map_err(chat_error)?;
        let cursor = cursor::encode_event(view.state.room.id, position);
        Ok(UpdateRoomPayload { room: Room::new(view.state), cursor })
    }

    /// Removes any message of a room, as its owner. It keeps its place in the room, and its text is gone from every response.
    async fn remove_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: RemoveMessageInput,
    ) -> Result<RemoveMessagePayload> {
        let chat = ctx.data::<Chat>()?;
        let removed = Box::pin(chat.remove_message(client_key(ctx), input.as_owner(), &input.message_id)).await;
        let (message, position) = removed.map_err(chat_error)?;
        let cursor = cursor::encode_event(message.id.room, position);
        Ok(RemoveMessagePayload { message: message.into(), cursor })
    }

    /// Bans a user from a room, as its owner. The user can still read, and delete its own messages. Replaces an earlier ban of the
    /// same user.
    async fn ban_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user, and how long the ban holds.")] input: BanUserInput,
    ) -> Result<BanUserPayload> {
        let room = owned_room(input.as_owner().room_id)?;
        let chat = ctx.data::<Chat>()?;
        let banned = Box::pin(chat.ban_user(client_key(ctx), input.as_owner(), input.as_ban())).await;
        let (ban, position) = banned.map_err(chat_error)?;
        Ok(BanUserPayload { ban: Ban(ban), cursor: cursor::encode_event(room, position) })
    }

    /// Lifts the ban of a user and of its address, as the owner of the room.
    async fn unban_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: UnbanUserInput,
    ) -> Result<UnbanUserPayload> {
        let room = owned_room(input.as_owner().room_id)?;
        let chat = ctx.data::<Chat>()?;
        let unbanned = Box::pin(chat.unban_user(client_key(ctx), input.as_owner(), &input.user_id)).await;
        let (user, position) = unbanned.map_err(chat_error)?;
        Ok(UnbanUserPayload { user: user.into(), cursor: cursor::encode_event(room, position) })
    }

    /// Ends a room at once, with everything in it, as its owner.
    async fn end_room(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room.")] input: EndRoomInput,
    ) -> Result<EndRoomPayload> {
        let ended = Box::pin(ctx.data::<Chat>()?.end_room(client_key(ctx), input.as_owner())).await;
        Ok(EndRoomPayload { room_id: ended.map_err(chat_error)?.to_string().into() })
    }
}

/// The id of the room of an owner's input, for the cursor of the result.
fn owned_room(id: &str) -> Result<RoomId> {
    ids::parse_room_id(id).map_err(|violation| violation_error(&violation))
}
