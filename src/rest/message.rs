//! Messages: sending, editing, deleting.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::body::Body;
use super::date::Date;
use super::envelope::Envelope;
use super::error::{self, Asked};
use super::fields::{Fields, Form};
use super::{Asking, Rest};
use crate::chat::{Accepted, ChangeMessage, ChatError, MessageRef, RoomKey, SendMessage};
use crate::domain::message::MessageText;

/// What callers of the original send when they have no user id yet.
const NO_USER: &str = "None";

/// Sends a message.
pub(super) async fn send(State(rest): State<Rest>, Asking(caller): Asking, Body(asked): Body<Sending>) -> Response {
    let input = SendMessage {
        room: RoomKey { id: &asked.room_id, code: &asked.room_code },
        user_id: Some(asked.user_id.as_str()).filter(|id| *id != NO_USER),
        token: asked.token.as_deref(),
        display_name: asked.display_name.as_deref().filter(|name| !name.is_empty()),
        text: &asked.message,
        client_message_id: None,
    };
    match rest.chat.send_message(caller, input).await {
        Ok(accepted) => Envelope::with(Sent::of(&accepted)).into_response(),
        Err(error) => error::answer(&error, Asked { room_id: &asked.room_id, user_id: &asked.user_id }, rest.settings),
    }
}

/// Replaces the text of a message.
pub(super) async fn edit(State(rest): State<Rest>, Asking(caller): Asking, Body(asked): Body<Editing>) -> Response {
    let result = rest.chat.edit_message(caller, asked.target.input(), &asked.message).await;
    rest.changed(&asked.target, result)
}

/// Removes the text of a message.
pub(super) async fn delete(State(rest): State<Rest>, Asking(caller): Asking, Body(target): Body<Target>) -> Response {
    let result = rest.chat.delete_message(caller, target.input()).await;
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

/// The body of [`send`].
pub(super) struct Sending {
    room_code: String,
    user_id: String,
    display_name: Option<String>,
    room_id: String,
    token: Option<String>,
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

/// The body of [`delete`]: who wants to change which message.
pub(super) struct Target {
    room_code: String,
    user_id: String,
    message_id: i64,
    room_id: String,
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

/// The body of [`edit`].
pub(super) struct Editing {
    target: Target,
    message: String,
}

impl Form for Editing {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { target: Target::read(fields), message: fields.text("message") }
    }
}

/// The answer to an accepted send.
#[derive(Serialize)]
struct Sent<'a> {
    room_id: String,
    user_id: &'a str,
    display_name: &'a str,
    created_at: Date,
    message: &'a str,
    message_id: u64,
    token: String,
}

impl<'a> Sent<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Self {
            room_id: accepted.event.room().legacy(),
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
#[derive(Serialize)]
struct Changed<'a> {
    room: String,
    user_id: &'a str,
    message: &'a str,
    message_id: u64,
    token: String,
}

impl<'a> Changed<'a> {
    fn of(accepted: &'a Accepted) -> Self {
        Self {
            room: accepted.event.room().legacy(),
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
