//! Messages of `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>): parses those of
//! clients and writes those of the server.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::graphql::execution::Parameters;
use crate::graphql::transport::request::{self, BadRequest};
use crate::graphql::transport::surrogates::replace_unpaired;
use crate::graphql::transport::ws::close_code::CloseCode;

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
    pub(super) resume: Option<BTreeMap<String, Option<String>>>,
}

impl<'a> ClientMessage<'a> {
    /// Parses a text message.
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
    /// Parses the envelope of a text message.
    pub(super) fn parse(text: &'a str) -> Result<Self, CloseCode> {
        // serde parses a struct from an array of its fields' values, too.
        if text.trim_start().starts_with('{') { parse(text) } else { Err(CloseCode::InvalidMessage) }
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
        parse(&replace_unpaired(payload.get()))
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

/// The parts of a `next` message of the operation with this escaped id; `payload` is JSON.
pub(super) const fn next<'a>(id: &'a str, payload: &'a str) -> [&'a str; 5] {
    [r#"{"id":""#, id, r#"","type":"next","payload":"#, payload, "}"]
}

/// The parts of an `error` message; `errors` is a JSON list.
pub(super) const fn error<'a>(id: &'a str, errors: &'a str) -> [&'a str; 5] {
    [r#"{"id":""#, id, r#"","type":"error","payload":"#, errors, "}"]
}

/// The parts of a `complete` message.
pub(super) const fn complete(id: &str) -> [&str; 3] {
    [r#"{"id":""#, id, r#"","type":"complete"}"#]
}

/// Escapes a text for use between the quotes of a JSON string. Almost all ids need no escaping.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Cow::Borrowed(text);
    }
    let quoted = Value::from(text).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}
