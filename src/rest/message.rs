//! The routes that send, edit and delete a message.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::chat::{Accepted, ChangeMessage, ChatError, MessageRef, RoomKey, SendMessage, ids};
use crate::domain::message::MessageText;
use crate::rest::body::Body;
use crate::rest::date::Date;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::error_response::ErrorContext;
use crate::rest::fields::{Fields, FromFields};
use crate::rest::openapi::field_schemas;
use crate::rest::{Client, RestState};

/// User ids that mean none. The original's documentation tells clients to send `None`; its website sends an empty text.
const NO_USER: [&str; 2] = ["None", ""];

/// Description of the response to a change of a message that others are changing.
const CONFLICT: &str = "The message kept changing at the same time; read it again and repeat the request.";

/// Sends a message.
///
/// The first message registers the user; its token is ignored. Every successful action returns the token for the next one. One
/// token is valid in all rooms.
#[utoipa::path(
    post,
    path = "/room/message/send",
    operation_id = "sendMessage",
    tag = "Messages",
    request_body = SendBody,
    responses(
        (status = 200, description = "The message, and the token for the next action.", body = Envelope<SentMessage>),
        (status = 507, description = "The room is full.", body = Envelope<Nothing>),
    ),
)]
pub(super) async fn send(
    State(rest): State<RestState>,
    Client(client): Client,
    Body(body): Body<SendBody>,
) -> Response {
    let input = SendMessage {
        room: RoomKey { id: &body.room_id, code: &body.room_code },
        user_id: Some(body.user_id.as_str()).filter(|id| !NO_USER.contains(id)),
        token: body.token.as_deref(),
        display_name: body.display_name.as_deref().filter(|name| !name.is_empty()),
        text: &body.message,
        client_message_id: None,
        reply_to_id: None,
        owner_token: None,
    };
    match rest.chat.send_message(client, input).await {
        Ok(accepted) => Envelope::success(SentMessage::new(&accepted)).into_response(),
        Err(error) => {
            let context = ErrorContext { room_id: &body.room_id, user_id: &body.user_id };
            rest.error_status.error_response(&error, context)
        }
    }
}

/// Replaces the text of a message.
///
/// Only the author can do this.
#[utoipa::path(
    post,
    path = "/room/message/edit/",
    operation_id = "editMessage",
    tag = "Messages",
    request_body = EditBody,
    responses(
        (status = 200, description = "The changed message, and the token for the next action.", body = Envelope<ChangedMessage>),
        (status = 409, description = CONFLICT, body = Envelope<Nothing>),
        (status = 507, description = "The room is full, or the message has been edited too often.", body = Envelope<Nothing>),
    ),
)]
pub(super) async fn edit(
    State(rest): State<RestState>,
    Client(client): Client,
    Body(body): Body<EditBody>,
) -> Response {
    let result = rest.chat.edit_message(client, body.target.change(), &body.message).await;
    rest.change_response(&body.target, result)
}

/// Removes the text of a message.
///
/// Only the author can do this. The message keeps its position, so the `message_id` of other messages does not change.
#[utoipa::path(
    post,
    path = "/room/message/delete/",
    operation_id = "deleteMessage",
    tag = "Messages",
    request_body = MessageTarget,
    responses(
        (status = 200, description = "The changed message, and the token for the next action.", body = Envelope<ChangedMessage>),
        (status = 409, description = CONFLICT, body = Envelope<Nothing>),
    ),
)]
pub(super) async fn delete(
    State(rest): State<RestState>,
    Client(client): Client,
    Body(target): Body<MessageTarget>,
) -> Response {
    let result = rest.chat.delete_message(client, target.change()).await;
    rest.change_response(&target, result)
}

impl RestState {
    fn change_response(&self, target: &MessageTarget, result: Result<Accepted, ChatError>) -> Response {
        match result {
            Ok(accepted) => Envelope::success(ChangedMessage::new(&accepted)).into_response(),
            Err(error) => {
                let context = ErrorContext { room_id: &target.room_id, user_id: &target.user_id };
                self.error_status.error_response(&error, context)
            }
        }
    }
}

/// A message to send.
#[derive(ToSchema)]
#[schema(as = Sending)]
pub(super) struct SendBody {
    #[schema(schema_with = field_schemas::room_code)]
    room_code: String,
    #[schema(schema_with = field_schemas::user_id_or_none)]
    user_id: String,
    #[schema(schema_with = field_schemas::display_name)]
    display_name: Option<String>,
    #[schema(schema_with = field_schemas::room_id)]
    room_id: String,
    /// From the response to the user's last action, or an identity. Any other is ignored for the first action.
    token: Option<String>,
    #[schema(schema_with = field_schemas::text)]
    message: String,
}

impl FromFields for SendBody {
    fn from_fields(fields: &mut Fields<'_>) -> Self {
        Self {
            room_code: fields.text("room_code"),
            user_id: fields.text("user_id"),
            display_name: fields.optional_text("display_name"),
            room_id: fields.text("room_id"),
            token: fields.optional_text("token"),
            message: fields.text("message"),
        }
    }
}

/// The message to change, and the user who changes it.
#[derive(ToSchema)]
#[schema(as = Target)]
pub(super) struct MessageTarget {
    #[schema(schema_with = field_schemas::room_code)]
    room_code: String,
    #[schema(schema_with = field_schemas::user_id)]
    user_id: String,
    #[schema(schema_with = field_schemas::message_id)]
    message_id: i64,
    #[schema(schema_with = field_schemas::room_id)]
    room_id: String,
    /// From the response to the user's last action, or an identity.
    token: String,
}

impl FromFields for MessageTarget {
    fn from_fields(fields: &mut Fields<'_>) -> Self {
        Self {
            room_code: fields.text("room_code"),
            user_id: fields.text("user_id"),
            message_id: fields.integer("message_id"),
            room_id: fields.text("room_id"),
            token: fields.text("token"),
        }
    }
}

impl MessageTarget {
    fn change(&self) -> ChangeMessage<'_> {
        ChangeMessage {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: &self.user_id,
            token: &self.token,
            message: MessageRef::Index(self.message_id),
        }
    }
}

/// A message and its new text.
#[derive(ToSchema)]
#[schema(as = Editing)]
pub(super) struct EditBody {
    #[serde(flatten)]
    target: MessageTarget,
    #[schema(schema_with = field_schemas::text)]
    message: String,
}

impl FromFields for EditBody {
    fn from_fields(fields: &mut Fields<'_>) -> Self {
        Self { target: MessageTarget::from_fields(fields), message: fields.text("message") }
    }
}

/// A message that was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Sent)]
pub(super) struct SentMessage<'a> {
    /// `room:*` and 32 hex digits.
    room_id: String,
    /// The id that the client sent, or one assigned by the server for `None`.
    user_id: &'a str,
    /// The name of the user, which the first message has set.
    display_name: &'a str,
    created_at: Date,
    message: &'a str,
    /// Its position in the room, from 0.
    message_id: u64,
    /// For the user's next action. An identity stays the same.
    token: String,
}

impl<'a> SentMessage<'a> {
    fn new(accepted: &'a Accepted) -> Self {
        Self {
            room_id: ids::legacy_room_id(accepted.message.id.room),
            user_id: accepted.author.id.as_str(),
            display_name: accepted.author.display_name.as_str(),
            created_at: Date(accepted.message.created_at),
            message: text(accepted),
            message_id: accepted.message.id.index,
            token: accepted.token.reveal(),
        }
    }
}

/// A message that was edited or deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = Changed)]
pub(super) struct ChangedMessage<'a> {
    /// `room:*` and 32 hex digits.
    room: String,
    user_id: &'a str,
    /// The current text; empty once deleted.
    message: &'a str,
    message_id: u64,
    /// For the user's next action.
    token: String,
}

impl<'a> ChangedMessage<'a> {
    fn new(accepted: &'a Accepted) -> Self {
        Self {
            room: ids::legacy_room_id(accepted.message.id.room),
            user_id: accepted.author.id.as_str(),
            message: text(accepted),
            message_id: accepted.message.id.index,
            token: accepted.token.reveal(),
        }
    }
}

fn text(accepted: &Accepted) -> &str {
    accepted.message.text.as_ref().map_or("", MessageText::as_str)
}
