//! The first form of answer: the envelope around everything a room has to say.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const SUCCESSFUL: &str = "sucessful";

/// Keys in the order in which the original wrote them.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    status_code: u16,
    message: &'a str,
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
}

impl<T> Envelope<'static, T> {
    /// Says that it worked.
    pub(super) const fn with(data: T) -> Self {
        Self { status_code: 200, message: SUCCESSFUL, data: Some(data), room: None }
    }
}

impl<'a> Envelope<'a, ()> {
    /// Says why it did not.
    pub(super) const fn refusal(status_code: u16, message: &'a str) -> Self {
        Self { status_code, message, data: None, room: None }
    }
}

impl<'a, T> Envelope<'a, T> {
    /// Replaces what it says.
    pub(super) fn saying<'b>(self, message: &'b str) -> Envelope<'b, T>
    where
        'a: 'b,
    {
        Envelope { message, ..self }
    }

    /// Names the room it speaks about.
    pub(super) fn about<'b>(self, room: &'b str) -> Envelope<'b, T>
    where
        'a: 'b,
    {
        Envelope { room: Some(room), ..self }
    }
}

impl<T: Serialize> IntoResponse for Envelope<'_, T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
