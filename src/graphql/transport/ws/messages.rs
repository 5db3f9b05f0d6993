//! Messages of `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>): parses those of
//! clients and writes those of the server.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::graphql::execution::{CountedJson, Parameters};
use crate::graphql::transport::json_object::Object;
use crate::graphql::transport::request::{self, BadRequest};
use crate::graphql::transport::surrogates::replace_unpaired;
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::operation_stream::Output;

/// The name of the protocol.
pub(super) const NAME: &str = "graphql-transport-ws";

/// The name of the older protocol. The npm package `graphql-ws` speaks the newer one.
pub(super) const LEGACY_NAME: &str = "graphql-ws";

/// A message from a client.
pub(super) enum ClientMessage<'a> {
    ConnectionInit(Init),
    /// With its payload, a JSON object.
    Ping(Option<&'a RawValue>),
    Pong,
    /// With an id and the parameters. Invalid parameters fail the operation, not the connection.
    Subscribe(String, Box<Result<Parameters, BadRequest>>),
    Complete(String),
}

/// The fields that all messages share, in this protocol and in the older one.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// The payload of `connection_init`. Other fields are ignored.
#[derive(Default, Deserialize)]
pub(super) struct Init {
    /// Cursors after which to resume, by operation id.
    #[serde(default)]
    pub(super) resume: Option<HashMap<String, Option<String>>>,
}

impl<'a> ClientMessage<'a> {
    /// Parses a text frame.
    pub(super) fn parse(text: &'a str) -> Result<Self, CloseCode> {
        let envelope = Envelope::parse(text)?;
        match envelope.kind()?.as_str() {
            "connection_init" => envelope.init().map(Self::ConnectionInit),
            "ping" => envelope.payload().map(Self::Ping),
            "pong" => envelope.payload().map(|_| Self::Pong),
            "subscribe" => Ok(Self::Subscribe(envelope.id()?, Box::new(envelope.parameters()?))),
            "complete" => envelope.id().map(Self::Complete),
            _ => Err(CloseCode::InvalidMessage),
        }
    }
}

impl<'a> Envelope<'a> {
    /// Parses the envelope of a text frame.
    pub(super) fn parse(text: &'a str) -> Result<Self, CloseCode> {
        parse::<Object<Self>>(text).map(|Object(envelope)| envelope)
    }

    /// The type of the message.
    pub(super) fn kind(&self) -> Result<String, CloseCode> {
        parse(self.kind.get())
    }

    /// The payload, which must be an object if there is one.
    pub(super) fn payload(&self) -> Result<Option<&'a RawValue>, CloseCode> {
        match self.payload {
            Some(payload) if !payload.get().starts_with('{') => Err(CloseCode::InvalidMessage),
            payload => Ok(payload),
        }
    }

    fn init(&self) -> Result<Init, CloseCode> {
        let Some(payload) = self.payload()? else { return Ok(Init::default()) };
        // A cursor with an unpaired surrogate is rejected when it is used.
        parse::<Object<Init>>(&replace_unpaired(payload.get())).map(|Object(init)| init)
    }

    /// The parameters of a request, which are the payload. The outer error closes the socket; the inner one fails the operation.
    pub(super) fn parameters(&self) -> Result<Result<Parameters, BadRequest>, CloseCode> {
        let payload = self.payload()?.ok_or(CloseCode::InvalidMessage)?;
        Ok(request::parse_json(payload.get().as_bytes()))
    }

    /// The id of the operation, which is not empty.
    pub(super) fn id(&self) -> Result<String, CloseCode> {
        let id: String = parse(self.id.ok_or(CloseCode::InvalidMessage)?.get())?;
        if id.is_empty() { Err(CloseCode::InvalidMessage) } else { Ok(id) }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, CloseCode> {
    serde_json::from_str(json).map_err(|_| CloseCode::InvalidMessage)
}

pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;

/// The response to a ping, with its payload.
pub(super) fn pong(payload: Option<&RawValue>) -> String {
    match payload {
        Some(payload) => [r#"{"type":"pong","payload":"#, payload.get(), "}"].concat(),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// The message for an output of the operation `id`.
pub(super) fn write(id: &str, output: Output) -> CountedJson {
    let json = match output {
        Output::Event(rendering) => next(id, &rendering.payload),
        Output::Result(result) => return wrap_in_next(id, result),
        Output::Errors(errors) => error(id, &errors),
        Output::Complete => complete(id),
    };
    CountedJson { json, permit: None }
}

/// As [`next`], without copying the result, which may be large.
fn wrap_in_next(id: &str, mut result: CountedJson) -> CountedJson {
    result.json.insert_str(0, &[r#"{"id":""#, &escaped(id), r#"","type":"next","payload":"#].concat());
    result.json.push('}');
    result
}

/// A `next` message; `payload` is JSON.
fn next(id: &str, payload: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"next","payload":"#, payload, "}"].concat()
}

/// An `error` message; `errors` is a JSON list.
pub(super) fn error(id: &str, errors: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"error","payload":"#, errors, "}"].concat()
}

/// A `complete` message.
fn complete(id: &str) -> String {
    [r#"{"id":""#, &escaped(id), r#"","type":"complete"}"#].concat()
}

/// Escapes a text for use between the quotes of a JSON string. Almost all ids need no escaping.
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
    use crate::error_code::ErrorCode;

    #[test]
    fn rejects_what_is_not_a_message_of_the_protocol() {
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
            assert!(matches!(ClientMessage::parse(text), Err(CloseCode::InvalidMessage)), "{text} was accepted");
        }
    }

    #[test]
    fn invalid_parameters_do_not_make_the_message_invalid() {
        for (payload, code) in [
            ("{}", ErrorCode::BadRequest),
            (r#"{"query":null}"#, ErrorCode::BadRequest),
            (r#"{"query":1}"#, ErrorCode::BadRequest),
            (r#"{"query":"{a}","variables":1}"#, ErrorCode::BadRequest),
            (r#"{"query":"{a}","operationName":1}"#, ErrorCode::BadRequest),
            (r#"{"query":"{a}","extensions":[]}"#, ErrorCode::BadRequest),
            (r#"{"query":"\ud800"}"#, ErrorCode::ValidationFailed),
            (r#"{"query":"{a}","operationName":"\udc00"}"#, ErrorCode::ValidationFailed),
            (r#"{"query":"{a}","variables":{"a":["\ud800"]}}"#, ErrorCode::ValidationFailed),
            (r#"{"query":"{a}","variables":{"\ud800":1}}"#, ErrorCode::ValidationFailed),
            (r#"{"query":"{a}","extensions":{"lastEventId":1}}"#, ErrorCode::CursorInvalid),
        ] {
            let text = format!(r#"{{"payload":{payload},"id":"1","type":"subscribe"}}"#);
            let Ok(ClientMessage::Subscribe(id, parameters)) = ClientMessage::parse(&text) else { panic!("{text}") };
            assert_eq!((id.as_str(), parameters.err().map(|error| error.code().1)), ("1", Some(code)), "{text}");
        }
    }

    #[test]
    fn escapes_ids() {
        for id in ["1", "a-b_c", "\"", "\u{0}", "ü\n"] {
            let written: Value = serde_json::from_str(&next(id, "{}")).expect("JSON");
            assert_eq!(written, serde_json::json!({ "id": id, "type": "next", "payload": {} }));
            let wrapped = wrap_in_next(id, CountedJson { json: "{}".to_owned(), permit: None });
            assert_eq!(wrapped.json, next(id, "{}"));
            let written: Value = serde_json::from_str(&complete(id)).expect("JSON");
            assert_eq!(written["id"], id);
        }
    }
}
