//! The words of `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>): what clients
//! say, what we say, and the codes with which a socket is closed.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::graphql::execution::operation::Parameters;
use crate::graphql::execution::response_budget::Sized;
use crate::graphql::transport::json_object::Object;
use crate::graphql::transport::request::{self, BadRequest};
use crate::graphql::transport::surrogates::replace_unpaired;
use crate::graphql::transport::ws::operation_stream::Step;

/// The name of the protocol.
pub(super) const NAME: &str = "graphql-transport-ws";

/// What a client says.
pub(super) enum ClientMessage<'a> {
    ConnectionInit(Init),
    /// With its payload, which is a JSON object.
    Ping(Option<&'a RawValue>),
    Pong,
    /// What is wrong with the payload is the operation's business, and not the connection's.
    Subscribe(String, Box<Result<Parameters, BadRequest>>),
    Complete(String),
}

/// A message, as far as all have it in common.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// What a client may say with `connection_init`. Whatever else it says is its own business.
#[derive(Default, Deserialize)]
pub(super) struct Init {
    /// Where subscriptions of these ids go on: after these cursors.
    #[serde(default)]
    pub(super) resume: Option<HashMap<String, Option<String>>>,
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

impl<'a> ClientMessage<'a> {
    /// Reads a text frame.
    pub(super) fn read(text: &'a str) -> Result<Self, Close> {
        let Object(frame) = parse::<Object<Frame<'a>>>(text)?;
        match parse::<String>(frame.kind.get())?.as_str() {
            "connection_init" => frame.init().map(Self::ConnectionInit),
            "ping" => frame.object().map(Self::Ping),
            "pong" => frame.object().map(|_| Self::Pong),
            "subscribe" => {
                let payload = frame.object()?.ok_or(Close::InvalidMessage)?;
                let parameters = request::from_json(payload.get().as_bytes());
                Ok(Self::Subscribe(frame.id()?, Box::new(parameters)))
            }
            "complete" => frame.id().map(Self::Complete),
            _ => Err(Close::InvalidMessage),
        }
    }
}

impl<'a> Frame<'a> {
    /// The payload, which is an object where there is one.
    fn object(&self) -> Result<Option<&'a RawValue>, Close> {
        match self.payload {
            Some(payload) if !payload.get().starts_with('{') => Err(Close::InvalidMessage),
            payload => Ok(payload),
        }
    }

    fn init(&self) -> Result<Init, Close> {
        let Some(payload) = self.object()? else { return Ok(Init::default()) };
        // A cursor with half a character in it is none, which is said when it is used.
        parse::<Object<Init>>(&replace_unpaired(payload.get())).map(|Object(init)| init)
    }

    fn id(&self) -> Result<String, Close> {
        let id: String = parse(self.id.ok_or(Close::InvalidMessage)?.get())?;
        if id.is_empty() { Err(Close::InvalidMessage) } else { Ok(id) }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Close> {
    serde_json::from_str(json).map_err(|_| Close::InvalidMessage)
}

pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;

/// Answers a ping, with what came with it.
pub(super) fn pong(payload: Option<&RawValue>) -> String {
    match payload {
        Some(payload) => [r#"{"type":"pong","payload":"#, payload.get(), "}"].concat(),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// What the operation `id` says.
pub(super) fn step(id: &str, step: Step) -> Sized {
    let json = match step {
        Step::Event(rendering) => next(id, &rendering.payload),
        Step::Result(result) => return around(id, result),
        Step::Error(json) => error(id, &json),
        Step::Complete => complete(id),
    };
    Sized { json, permit: None }
}

/// As [`next`], of a result that may be too large to be there twice.
fn around(id: &str, mut result: Sized) -> Sized {
    result.json.insert_str(0, &[r#"{"id":""#, &escaped(id), r#"","type":"next","payload":"#].concat());
    result.json.push('}');
    result
}

/// An event or a result of the operation `id`, which is JSON already.
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
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"pong","payload":[]}"#,
            r#"["pong"]"#,
            r#"{"type":"connection_init","payload":[{}]}"#,
            r#"{"type":"connection_init","payload":{"resume":{"1":1}}}"#,
            r#"{"id":"1","type":"subscribe","payload":["{a}",null,null,null]}"#,
            r#"{"id":"1","type":"subscribe","payload":null}"#,
            r#"{"id":"\ud800","type":"complete"}"#,
        ] {
            assert!(matches!(ClientMessage::read(text), Err(Close::InvalidMessage)), "{text} was taken");
        }
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_the_operations_business() {
        for (payload, code) in [
            ("{}", "BAD_REQUEST"),
            (r#"{"query":null}"#, "BAD_REQUEST"),
            (r#"{"query":1}"#, "BAD_REQUEST"),
            (r#"{"query":"{a}","variables":1}"#, "BAD_REQUEST"),
            (r#"{"query":"{a}","operationName":1}"#, "BAD_REQUEST"),
            (r#"{"query":"{a}","extensions":[]}"#, "BAD_REQUEST"),
            (r#"{"query":"\ud800"}"#, "VALIDATION_FAILED"),
            (r#"{"query":"{a}","operationName":"\udc00"}"#, "VALIDATION_FAILED"),
            (r#"{"query":"{a}","variables":{"a":["\ud800"]}}"#, "VALIDATION_FAILED"),
            (r#"{"query":"{a}","variables":{"\ud800":1}}"#, "VALIDATION_FAILED"),
            (r#"{"query":"{a}","extensions":{"lastEventId":1}}"#, "CURSOR_INVALID"),
        ] {
            let text = format!(r#"{{"payload":{payload},"id":"1","type":"subscribe"}}"#);
            let Ok(ClientMessage::Subscribe(id, parameters)) = ClientMessage::read(&text) else { panic!("{text}") };
            assert_eq!((id.as_str(), parameters.err().map(|bad| bad.code().1)), ("1", Some(code)), "{text}");
        }
    }

    #[test]
    fn ids_are_written_as_json() {
        for id in ["1", "a-b_c", "\"", "\u{0}", "ü\n"] {
            let written: Value = serde_json::from_str(&next(id, "{}")).expect("JSON");
            assert_eq!(written, serde_json::json!({ "id": id, "type": "next", "payload": {} }));
            let around = around(id, Sized { json: "{}".to_owned(), permit: None });
            assert_eq!(around.json, next(id, "{}"));
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
