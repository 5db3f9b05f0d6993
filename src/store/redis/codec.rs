//! The written form of what is kept in Redis, and of what the scripts answer. Where it is kept is written in `keys`.
//!
//! A message is a line of numbers that the scripts read (`revision:created:edited:deleted`), a line of JSON that they
//! do not, and its text as it is. An event is a line of its own before its message (`kind:seq:tag:at:index`).

use redis::Value;
use serde::{Deserialize, Serialize};

use crate::domain::event::{EntryTag, Event, EventKind, Position, Seq};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, SealedToken, User, UserId};
use crate::store::{RoomState, StoreError};

/// What could not be read; never its content.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {0} that came from Redis")]
pub struct Unreadable(&'static str);

impl Unreadable {
    pub const PUSH: Self = Self("a push");
    pub const CLUSTER: Self = Self("the state of the cluster");
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

#[derive(Serialize, Deserialize)]
struct ChatterRecord {
    id: String,
    name: String,
}

/// What never changes about a message. In front of it a script keeps how often the message was edited, as `edits`.
#[derive(Serialize, Deserialize)]
struct SendRecord {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

/// Writes a chatter for the roster.
pub fn write_chatter(chatter: &User) -> String {
    write(&ChatterRecord { id: chatter.id.as_str().into(), name: chatter.display_name.as_str().into() })
}

/// Reads what [`write_chatter`] wrote.
pub fn read_chatter(written: &str) -> Result<User, Unreadable> {
    let record: ChatterRecord = read(written, "a chatter")?;
    Ok(chatter(record.id, record.name))
}

/// Writes what never changes about a message.
pub fn write_send(author: &User, client_message_id: Option<&ClientMessageId>) -> String {
    write(&SendRecord {
        id: author.id.as_str().into(),
        name: author.display_name.as_str().into(),
        client: client_message_id.map(|id| id.as_str().into()),
    })
}

/// What [`write_send`] writes before and behind the author's name, where only Redis knows that.
pub fn write_around_name(id: &UserId, client_message_id: Option<&ClientMessageId>) -> [String; 2] {
    let before = format!("{{\"id\":{},\"name\":", write(&id.as_str()));
    let behind =
        client_message_id.map_or_else(|| "}".to_owned(), |id| format!(",\"client\":{}}}", write(&id.as_str())));
    [before, behind]
}

/// Writes a message but for its text, as the scripts do when it is sent and changed.
pub fn write_message(message: &Message) -> String {
    let moment = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.as_millis().to_string());
    format!(
        "{}:{}:{}:{}\n{}",
        message.revision.0,
        message.created_at.as_millis(),
        moment(message.edited_at),
        moment(message.deleted_at),
        write_send(&message.author, message.client_message_id.as_ref())
    )
}

/// Reads a message of a room: numbers, JSON, text.
pub fn read_message(room: RoomId, index: u64, written: &str) -> Result<Message, Unreadable> {
    let unreadable = Unreadable("a message");
    let Some((numbers, rest)) = written.split_once('\n') else { return Err(unreadable) };
    let (send, text) = rest.split_once('\n').map_or((rest, None), |(send, text)| (send, Some(text)));
    let Some([revision, created_at, edited_at, deleted_at]) = fields(numbers) else { return Err(unreadable) };
    let send: SendRecord = read(send, "a message")?;
    Ok(Message {
        id: MessageId { room, index },
        author: chatter(send.id, send.name),
        text: text.map(|text| MessageText::from_stored(text.to_owned())),
        created_at: moment(created_at)?,
        edited_at: moment_if_any(edited_at)?,
        deleted_at: moment_if_any(deleted_at)?,
        client_message_id: send.client.map(ClientMessageId::from_stored),
        revision: Seq(number(revision)?),
    })
}

/// Names a kind of event.
pub const fn write_kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Sent => "sent",
        EventKind::Edited => "edited",
        EventKind::Deleted => "deleted",
    }
}

/// Reads an event of a room: numbers, then its message.
pub fn read_event(room: RoomId, written: &str) -> Result<Event, Unreadable> {
    let unreadable = Unreadable("an event");
    let Some((numbers, message)) = written.split_once('\n') else { return Err(unreadable) };
    let Some([kind, seq, tag, at, index]) = fields(numbers) else { return Err(unreadable) };
    let kinds = [EventKind::Sent, EventKind::Edited, EventKind::Deleted];
    let Some(kind) = kinds.into_iter().find(|known| write_kind(*known) == kind) else { return Err(unreadable) };
    Ok(Event {
        kind,
        position: Position { seq: Seq(number(seq)?), tag: read_tag(tag)? },
        at: moment(at)?,
        message: read_message(room, number(index)?, message)?,
    })
}

/// Writes a tag. Never as a number: the scripts' numbers are not wide enough.
pub fn write_tag(tag: EntryTag) -> String {
    format!("{:016x}", tag.0)
}

fn read_tag(digits: &str) -> Result<EntryTag, Unreadable> {
    u64::from_str_radix(digits, 16).map(EntryTag).map_err(|_| Unreadable("a tag"))
}

/// Reads a token that was kept as hex digits.
pub fn read_sealed(digits: &str) -> Result<SealedToken, Unreadable> {
    let mut token = SealedToken([0; 16]);
    hex::decode_to_slice(digits, &mut token.0).map_err(|_| Unreadable("a sealed token"))?;
    Ok(token)
}

fn write(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("strings can be written as JSON")
}

fn read<T: for<'a> Deserialize<'a>>(written: &str, what: &'static str) -> Result<T, Unreadable> {
    serde_json::from_str(written).map_err(|_| Unreadable(what))
}

fn chatter(id: String, name: String) -> User {
    User { id: UserId::from_stored(id), display_name: DisplayName::from_stored(name) }
}

fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(':').collect::<Vec<_>>().try_into().ok()
}

fn number(digits: &str) -> Result<u64, Unreadable> {
    digits.parse().map_err(|_| Unreadable("a number"))
}

fn moment(digits: &str) -> Result<Timestamp, Unreadable> {
    number(digits).map(Timestamp::from_millis)
}

fn moment_if_any(digits: &str) -> Result<Option<Timestamp>, Unreadable> {
    if digits.is_empty() { Ok(None) } else { moment(digits).map(Some) }
}

/// What a script answered: a word that says how it went, and then what belongs to it, read from front to back.
#[derive(Debug)]
pub struct Reply {
    outcome: String,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    /// Takes an answer; a refusal is the [`StoreError`] that it means.
    pub fn of(answer: Value) -> Result<Self, StoreError> {
        let Value::Array(values) = answer else { return Err(Unreadable("an answer").into()) };
        let mut rest = values.into_iter();
        let outcome = string(rest.next())?;
        match outcome.as_str() {
            "not_found" => Err(StoreError::NotFound),
            "conflict" => Err(StoreError::Conflict),
            "full" => Err(StoreError::Full),
            "edit_limit" => Err(StoreError::EditLimit),
            "foreign" => Err(StoreError::ForeignPosition),
            "corrupt" => Err(Unreadable("a record").into()),
            _ => Ok(Self { outcome, rest }),
        }
    }

    /// How it went.
    pub fn outcome(&self) -> &str {
        &self.outcome
    }

    /// An outcome that nobody knows.
    pub fn unknown(&self) -> StoreError {
        Unreadable("an outcome").into()
    }

    /// The next part.
    pub fn string(&mut self) -> Result<String, Unreadable> {
        string(self.rest.next())
    }

    /// The next part, which is the name of a chatter.
    pub fn display_name(&mut self) -> Result<DisplayName, Unreadable> {
        self.string().map(DisplayName::from_stored)
    }

    /// The next part, which is a number.
    pub fn number(&mut self) -> Result<u64, Unreadable> {
        number(&self.string()?)
    }

    /// The next eight parts, which are the state of a room.
    pub fn room_state(&mut self, id: RoomId) -> Result<RoomState, Unreadable> {
        let now = Timestamp::from_millis(self.number()?);
        let code = RoomCode::from_stored(self.string()?);
        let created_at = Timestamp::from_millis(self.number()?);
        let expires_at = Timestamp::from_millis(self.number()?);
        let head = Position { seq: Seq(self.number()?), tag: read_tag(&self.string()?)? };
        let (message_count, user_count) = (self.number()?, self.number()?);
        Ok(RoomState { room: Room { id, code, created_at, expires_at }, now, head, message_count, user_count })
    }

    /// Whether no part is left.
    pub fn is_read(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    /// All parts that are left.
    pub fn strings(self) -> impl Iterator<Item = Result<String, Unreadable>> {
        self.rest.map(|value| string(Some(value)))
    }
}

fn string(value: Option<Value>) -> Result<String, Unreadable> {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8(bytes).map_err(|_| Unreadable("a string")),
        _ => Err(Unreadable("an answer")),
    }
}
