//! Messages: sending, editing, deleting.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::chat::{Accepted, ChangeMessage, ChatError, MessageRef, RoomKey, SendMessage, ids};
use crate::domain::message::MessageText;
use crate::rest::body::Body;
use crate::rest::date::Date;
use crate::rest::envelope::{Envelope, Nothing};
use crate::rest::error::{self, Asked};
use crate::rest::fields::{Fields, Form};
use crate::rest::openapi::{self, AskingOften, AskingRoom, Changing, Failing, Sends};
use crate::rest::{Client, Rest};

/// What callers of the original send when they have no user id yet: its documentation the one, its website the other.
const NO_USER: [&str; 2] = ["None", ""];

/// Sends a message.
///
/// A user is made known by its first message, whose token does not count. Every accepted action answers with the token
/// for the next one; one token serves all rooms.
#[utoipa::path(
    post,
    path = "/room/message/send",
    operation_id = "sendMessage",
    tag = "Messages",
    request_body = Sending,
    responses(
        Sends,
        (status = 507, description = "The room takes no more messages.", body = Envelope<Nothing>),
        AskingRoom, AskingOften, Failing,
    ),
)]
pub(super) async fn send(State(rest): State<Rest>, Client(client): Client, Body(asked): Body<Sending>) -> Response {
    let input = SendMessage {
        room: RoomKey { id: &asked.room_id, code: &asked.room_code },
        user_id: Some(asked.user_id.as_str()).filter(|id| !NO_USER.contains(id)),
        token: asked.token.as_deref(),
        display_name: asked.display_name.as_deref().filter(|name| !name.is_empty()),
        text: &asked.message,
        client_message_id: None,
    };
    match rest.chat.send_message(client, input).await {
        Ok(accepted) => Envelope::with(Sent::of(&accepted)).into_response(),
        Err(error) => error::answer(&error, Asked { room_id: &asked.room_id, user_id: &asked.user_id }, rest.settings),
    }
}

/// Replaces the text of a message.
///
/// Only its author may.
#[utoipa::path(
    post,
    path = "/room/message/edit/",
    operation_id = "editMessage",
    tag = "Messages",
    request_body = Editing,
    responses(
        Changing,
        (status = 507, description = "The room or the message takes no more edits.", body = Envelope<Nothing>),
        AskingRoom, AskingOften, Failing,
    ),
)]
pub(super) async fn edit(State(rest): State<Rest>, Client(client): Client, Body(asked): Body<Editing>) -> Response {
    let result = rest.chat.edit_message(client, asked.target.input(), &asked.message).await;
    rest.changed(&asked.target, result)
}

/// Removes the text of a message.
///
/// Only its author may. The message keeps its place, so that the others keep their `message_id`.
#[utoipa::path(
    post,
    path = "/room/message/delete/",
    operation_id = "deleteMessage",
    tag = "Messages",
    request_body = Target,
    responses(Changing, AskingRoom, AskingOften, Failing),
)]
pub(super) async fn delete(State(rest): State<Rest>, Client(client): Client, Body(target): Body<Target>) -> Response {
    let result = rest.chat.delete_message(client, target.input()).await;
    rest.changed(&target, result)
}

impl Rest {
    fn changed(&self, target: &Target, result: Result<Accepted, ChatError>) -> Response {
        match result {
            Ok(accepted) => Envelope::with(Changed::of(&accepted)).into_response(),
            Err(error) => {
                error::answer(&error, Asked { room_id: &target.room_id, user_id: &target.user_id }, self.settings)
            }
        }
    }
}

/// What to send, where, and who sends it.
#[derive(ToSchema)]
pub(super) struct Sending {
    #[schema(schema_with = openapi::room_code)]
    room_code: String,
    #[schema(schema_with = openapi::user_id_or_none)]
    user_id: String,
    #[schema(schema_with = openapi::display_name)]
    display_name: Option<String>,
    #[schema(schema_with = openapi::room_id)]
    room_id: String,
    /// From the answer to the user's last action; does not count with the first.
    token: Option<String>,
    #[schema(schema_with = openapi::text)]
    message: String,
}

impl Form for Sending {
    fn read(fields: &mut Fields<'_>) -> Self {
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

/// Who wants to change which message.
#[derive(ToSchema)]
pub(super) struct Target {
    #[schema(schema_with = openapi::room_code)]
    room_code: String,
    #[schema(schema_with = openapi::user_id)]
    user_id: String,
    #[schema(schema_with = openapi::message_id)]
    message_id: i64,
    #[schema(schema_with = openapi::room_id)]
    room_id: String,
    /// From the answer to the user's last action.
    token: String,
}

impl Form for Target {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            room_code: fields.text("room_code"),
            user_id: fields.text("user_id"),
            message_id: fields.integer("message_id"),
            room_id: fields.text("room_id"),
            token: fields.text("token"),
        }
    }
}

impl Target {
    fn input(&self) -> ChangeMessage<'_> {
        ChangeMessage {
            room: RoomKey { id: &self.room_id, code: &self.room_code },
            user_id: &self.user_id,
            token: &self.token,
            message: MessageRef::Index(self.message_id),
        }
    }
}

/// Who wants to put which text in place of which message's.
#[derive(ToSchema)]
pub(super) struct Editing {
    #[serde(flatten)]
    target: Target,
    #[schema(schema_with = openapi::text)]
    message: String,
}

impl Form for Editing {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { target: Target::read(fields), message: fields.text("message") }
    }
}

/// The answer to an accepted send.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent<'a> {
    /// `room:*` and 32 hex digits.
    room_id: String,
    /// As sent; one assigned by the server where `None` was sent.
    user_id: &'a str,
    /// The name that counts, from the user's first message.
    display_name: &'a str,
    created_at: Date,
    message: &'a str,
    /// Its place in the room, from 0.
    message_id: u64,
    /// For the user's next action.
    token: String,
}

impl<'a> Sent<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Self {
            room_id: ids::legacy_room_id(accepted.event.room()),
            user_id: accepted.author.id.as_str(),
            display_name: accepted.author.display_name.as_str(),
            created_at: Date(accepted.event.message.created_at),
            message: text(accepted),
            message_id: accepted.event.message.id.index,
            token: accepted.token.reveal(),
        }
    }
}

/// The answer to an accepted edit or deletion.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed<'a> {
    /// `room:*` and 32 hex digits.
    room: String,
    user_id: &'a str,
    /// The text as it is now; empty once deleted.
    message: &'a str,
    message_id: u64,
    /// For the user's next action.
    token: String,
}

impl<'a> Changed<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Self {
            room: ids::legacy_room_id(accepted.event.room()),
            user_id: accepted.author.id.as_str(),
            message: text(accepted),
            message_id: accepted.event.message.id.index,
            token: accepted.token.reveal(),
        }
    }
}

fn text(accepted: &Accepted) -> &str {
    accepted.event.message.text.as_ref().map_or("", MessageText::as_str)
}
