//! Encodes and decodes the values in Redis. Their keys are in `keys`; replies of scripts are in `reply`.
//!
//! A message is a line of numbers for the scripts (`revision:created:edited:deleted`), a line of JSON that the scripts do not
//! parse, and the plain text. An event is one more line (`kind:seq:check:at:index`) before its message.

use serde::{Deserialize, Serialize};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::SealedToken;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::StoreError;

/// Data from Redis that cannot be decoded. Names what it should be, never its content.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode {0} from Redis")]
pub struct DecodeError(pub &'static str);

impl From<DecodeError> for StoreError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

#[derive(Serialize, Deserialize)]
struct ChatterRecord {
    id: String,
    name: String,
}

/// The fields of a message that never change. A script keeps the number of edits in front of them, as `edits`.
#[derive(Serialize, Deserialize)]
struct SendRecord {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

/// Encodes a chatter for the roster.
pub fn encode_chatter(chatter: &User) -> String {
    encode_json(&ChatterRecord { id: chatter.id.as_str().into(), name: chatter.display_name.as_str().into() })
}

/// Decodes a chatter of the roster.
pub fn decode_chatter(encoded: &str) -> Result<User, DecodeError> {
    let record: ChatterRecord = decode_json(encoded, "a chatter")?;
    Ok(chatter(record.id, record.name))
}

/// Encodes the fields of a message that never change.
pub fn encode_send(author: &User, client_message_id: Option<&ClientMessageId>) -> String {
    encode_json(&SendRecord {
        id: author.id.as_str().into(),
        name: author.display_name.as_str().into(),
        client: client_message_id.map(|id| id.as_str().into()),
    })
}

/// The parts of [`encode_send`] before and after the author's name, for when only Redis knows the name.
pub fn encode_around_name(id: &UserId, client_message_id: Option<&ClientMessageId>) -> [String; 2] {
    let before = format!("{{\"id\":{},\"name\":", encode_json(&id.as_str()));
    let after =
        client_message_id.map_or_else(|| "}".to_owned(), |id| format!(",\"client\":{}}}", encode_json(&id.as_str())));
    [before, after]
}

/// Encodes a message without its text, as the scripts do.
pub fn encode_message(message: &Message) -> String {
    let optional = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.as_millis().to_string());
    format!(
        "{}:{}:{}:{}\n{}",
        message.revision.0,
        message.created_at.as_millis(),
        optional(message.edited_at),
        optional(message.deleted_at),
        encode_send(&message.author, message.client_message_id.as_ref())
    )
}

/// Decodes a message.
pub fn decode_message(room: RoomId, index: u64, encoded: &str) -> Result<Message, DecodeError> {
    const ERROR: DecodeError = DecodeError("a message");
    let (numbers, rest) = encoded.split_once('\n').ok_or(ERROR)?;
    let (send, text) = rest.split_once('\n').map_or((rest, None), |(send, text)| (send, Some(text)));
    let [revision, created_at, edited_at, deleted_at] = split_fields(numbers).ok_or(ERROR)?;
    let send: SendRecord = decode_json(send, "a message")?;
    Ok(Message {
        id: MessageId { room, index },
        author: chatter(send.id, send.name),
        text: text.map(|text| MessageText::from_stored(text.to_owned())),
        created_at: decode_timestamp(created_at)?,
        edited_at: decode_optional_timestamp(edited_at)?,
        deleted_at: decode_optional_timestamp(deleted_at)?,
        client_message_id: send.client.map(ClientMessageId::from_stored),
        revision: Seq(decode_number(revision)?),
    })
}

/// Encodes the kind of an event.
pub const fn encode_kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Sent => "sent",
        EventKind::Edited => "edited",
        EventKind::Deleted => "deleted",
    }
}

/// Decodes an event.
pub fn decode_event(room: RoomId, encoded: &str) -> Result<Event, DecodeError> {
    const ERROR: DecodeError = DecodeError("an event");
    let (numbers, message) = encoded.split_once('\n').ok_or(ERROR)?;
    let [kind, seq, tag, at, index] = split_fields(numbers).ok_or(ERROR)?;
    let kinds = [EventKind::Sent, EventKind::Edited, EventKind::Deleted];
    let kind = kinds.into_iter().find(|known| encode_kind(*known) == kind).ok_or(ERROR)?;
    Ok(Event {
        kind,
        position: Position { seq: Seq(decode_number(seq)?), tag: decode_tag(tag)? },
        at: decode_timestamp(at)?,
        message: decode_message(room, decode_number(index)?, message)?,
    })
}

/// Encodes an entry tag, in hex: the numbers of Lua cannot hold 64 bits.
pub fn encode_tag(tag: EntryTag) -> String {
    format!("{:016x}", tag.0)
}

/// Decodes an entry tag.
pub fn decode_tag(digits: &str) -> Result<EntryTag, DecodeError> {
    u64::from_str_radix(digits, 16).map(EntryTag).map_err(|_| DecodeError("an entry tag"))
}

/// Decodes a sealed token from hex.
pub fn decode_sealed(digits: &str) -> Result<SealedToken, DecodeError> {
    let mut token = SealedToken([0; 16]);
    hex::decode_to_slice(digits, &mut token.0).map_err(|_| DecodeError("a sealed token"))?;
    Ok(token)
}

fn encode_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("strings can be written as JSON")
}

fn decode_json<T: for<'a> Deserialize<'a>>(encoded: &str, what: &'static str) -> Result<T, DecodeError> {
    serde_json::from_str(encoded).map_err(|_| DecodeError(what))
}

fn chatter(id: String, name: String) -> User {
    User { id: UserId::from_stored(id), display_name: DisplayName::from_stored(name) }
}

fn split_fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

/// Decodes a decimal number.
pub fn decode_number(digits: &str) -> Result<u64, DecodeError> {
    digits.parse().map_err(|_| DecodeError("a number"))
}

/// Decodes milliseconds since the epoch.
pub fn decode_timestamp(digits: &str) -> Result<Timestamp, DecodeError> {
    decode_number(digits).map(Timestamp::from_millis)
}

fn decode_optional_timestamp(digits: &str) -> Result<Option<Timestamp>, DecodeError> {
    if digits.is_empty() { Ok(None) } else { decode_timestamp(digits).map(Some) }
}
