//! The words of `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>): what clients
//! say, what we say, and the codes with which a socket is closed.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::extract::ws::Message;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::graphql::operation::Parameters;
use crate::graphql::transport::object::Object;
use crate::graphql::transport::ws::steps::Step;

/// The name of the protocol.
pub(super) const NAME: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        payload: Option<Object<Init>>,
    },
    Ping {
        payload: Option<Map<String, Value>>,
    },
    Pong {
        /// Read, because the protocol says that it is an object.
        #[serde(rename = "payload")]
        _payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: Box<Object<Parameters>>,
    },
    Complete {
        id: String,
    },
}

/// What a client may say with `connection_init`. Whatever else it says is its own business.
#[derive(Default, Deserialize)]
pub(super) struct Init {
    /// Where subscriptions of these ids go on: after these cursors.
    #[serde(default)]
    pub(super) resume: HashMap<String, String>,
}

/// Why a socket is closed. Whether the stock client comes back is said with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// Comes back, by then to a server that is there.
    Restart,
    /// Comes back, and goes on from its cursors.
    TooSlow,
    /// Comes back, if it is still there.
    Silent,
    /// Does not come back: it would say the same again.
    InvalidMessage,
    /// Does not come back: it would say the same again.
    MessageTooBig,
    /// Does not come back: it does not keep the protocol.
    Unauthorized,
    /// Does not come back: we speak another protocol.
    SubprotocolNotAcceptable,
    /// Comes back.
    InitTimeout,
    /// Does not come back: it does not keep the protocol.
    SubscriberExists,
    /// Does not come back: it does not keep the protocol.
    TooManyInits,
}

impl Close {
    /// Code and reason of the close frame.
    pub(super) const fn frame(self) -> (u16, &'static str) {
        match self {
            Self::Restart => (1012, "Service restart"),
            Self::TooSlow => (1013, "Too slow, connect again and resume"),
            Self::Silent => (4499, "Nothing heard, not even a pong"),
            Self::InvalidMessage => (4400, "Invalid message"),
            Self::MessageTooBig => (1009, "Message too big"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::SubprotocolNotAcceptable => (4406, "Subprotocol not acceptable"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::SubscriberExists => (4409, "Subscriber already exists"),
            Self::TooManyInits => (4429, "Too many initialisation requests"),
        }
    }
}

impl ClientMessage {
    /// Reads a text frame.
    pub(super) fn read(text: &str) -> Result<Self, Close> {
        match serde_json::from_str(text) {
            Ok(Object(Self::Subscribe { id, .. } | Self::Complete { id })) if id.is_empty() => {
                Err(Close::InvalidMessage)
            }
            Ok(Object(message)) => Ok(message),
            Err(_) => Err(Close::InvalidMessage),
        }
    }
}

pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;

/// Answers a ping, with what came with it.
pub(super) fn pong(payload: Option<Map<String, Value>>) -> String {
    match payload {
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, Value::Object(payload)),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// What the operation `id` says.
pub(super) fn step(id: &str, step: &Step) -> Message {
    let text = match step {
        Step::Event(rendering) => next(id, &rendering.payload),
        Step::Result(json) => next(id, json),
        Step::Error(json) => error(id, json),
        Step::Complete => complete(id),
    };
    Message::Text(text.into())
}

/// A result of the operation `id`, which is JSON already.
fn next(id: &str, payload: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"next","payload":"#, payload, "}"].concat()
}

/// The errors for which the operation `id` was not executed, which are JSON already.
pub(super) fn error(id: &str, errors: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"error","payload":"#, errors, "}"].concat()
}

/// The operation `id` is over.
fn complete(id: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"complete"}"#].concat()
}

/// A text as it stands between the quotes of a JSON string. Almost all ids are plain, and those need no escaping.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Cow::Borrowed(text);
    }
    let quoted = Value::from(text).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_message_of_the_protocol_is_invalid() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"nope"}"#,
            r#"{"type":1}"#,
            r#"{"id":"1","type":"subscribe"}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"id":"","type":"complete"}"#,
            r#"{"id":1,"type":"complete"}"#,
            r#"{"id":"1","type":"subscribe","payload":{}}"#,
            r#"{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":1}}"#,
            r#"{"id":"1","type":"subscribe","payload":{"query":"{a}","operationName":1}}"#,
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"pong","payload":[]}"#,
            r#"["pong"]"#,
            r#"{"type":"connection_init","payload":[{}]}"#,
            r#"{"type":"connection_init","payload":{"resume":{"1":1}}}"#,
            r#"{"id":"1","type":"subscribe","payload":["{a}",null,null,null]}"#,
        ] {
            assert!(matches!(ClientMessage::read(text), Err(Close::InvalidMessage)), "{text} was taken");
        }
    }

    #[test]
    fn ids_are_written_as_json() {
        for id in ["1", "a-b_c", "\"", "\u{0}", "ü\n"] {
            let written: Value = serde_json::from_str(&next(id, "{}")).expect("JSON");
            assert_eq!(written, serde_json::json!({ "id": id, "type": "next", "payload": {} }));
            let written: Value = serde_json::from_str(&complete(id)).expect("JSON");
            assert_eq!(written["id"], id);
        }
    }

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        for close in [Close::Restart, Close::TooSlow, Close::Silent, Close::InvalidMessage, Close::MessageTooBig] {
            assert!(close.frame().1.len() <= 123);
        }
    }
}
