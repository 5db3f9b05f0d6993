//! Encodes and decodes the values in Redis. Their keys are in `keys`; replies of scripts are in `reply`.
//!
//! Scripts read and write the same values; `scripts/formats.lua` has the layout of their numbers, which are big-endian. After its
//! numbers, a message has one line for each field, which begins with the field's letter, an empty line, and the text. Fields with
//! unknown letters are passed over.

use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::{Admission, PresentedToken, RoomLimits, RoomState, StoreError, UserRecord};

/// Data from Redis that cannot be decoded. Names the expected kind of data, never its content.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode {0} from Redis")]
pub struct DecodeError(pub &'static str);

impl From<DecodeError> for StoreError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

/// An entry of a room's log.
pub struct LogEntry {
    /// A letter, maybe one that only newer versions know.
    kind: u8,
    pub position: Position,
    pub at: Timestamp,
    /// The index of its message.
    pub index: u64,
}

impl LogEntry {
    /// The event of this entry.
    pub fn into_event(self, message: Message) -> Result<Event, DecodeError> {
        let kinds = [EventKind::Sent, EventKind::Edited, EventKind::Deleted];
        let kind = kinds.into_iter().find(|known| encode_kind(*known) == self.kind);
        let kind = kind.ok_or(DecodeError("the kind of an event"))?;
        Ok(Event { kind, position: self.position, at: self.at, message })
    }
}

/// The length of an encoded log entry.
pub const ENTRY_LENGTH: usize = 27;

/// Encodes a log entry.
pub fn encode_entry(kind: u8, position: Position, at: Timestamp, index: u64) -> Vec<u8> {
    let mut encoded = vec![kind];
    put_numbers(&mut encoded, [position.seq.0, at.as_millis(), index]);
    encoded.extend(encode_tag(position.tag));
    encoded
}

/// Encodes the entry of an event.
pub fn encode_event_entry(event: &Event) -> Vec<u8> {
    encode_entry(encode_kind(event.kind), event.position, event.at, event.message.id.index)
}

/// Encodes the entry before all others in the log of a room.
pub fn encode_first_entry(room: &Room) -> Vec<u8> {
    encode_entry(b'-', Position::START, room.created_at, 0)
}

/// Decodes a log entry. Returns it with the bytes behind it.
pub fn decode_entry(encoded: &[u8]) -> Result<(LogEntry, &[u8]), DecodeError> {
    let (kind, mut rest) = encoded.split_first().ok_or(DecodeError("a log entry"))?;
    let [seq, at, index] = take_numbers(&mut rest)?;
    let position = Position { seq: Seq(seq), tag: take_tag(&mut rest)? };
    Ok((LogEntry { kind: *kind, position, at: Timestamp::from_millis(at), index }, rest))
}

/// Encodes the kind of an event.
pub const fn encode_kind(kind: EventKind) -> u8 {
    match kind {
        EventKind::Sent => b's',
        EventKind::Edited => b'e',
        EventKind::Deleted => b'd',
    }
}

/// Encodes a message. The tag of its last change is unknown here; nothing reads it from a message.
pub fn encode_message(message: &Message) -> Vec<u8> {
    let Message { created_at, edited_at, deleted_at, author, .. } = message;
    let (kind, at) = match (edited_at, deleted_at) {
        (_, Some(at)) => (EventKind::Deleted, at),
        (Some(at), None) => (EventKind::Edited, at),
        (None, None) => (EventKind::Sent, created_at),
    };
    let position = Position { seq: message.revision, tag: EntryTag::default() };
    let mut encoded = encode_entry(encode_kind(kind), position, *at, message.id.index);
    if kind != EventKind::Sent {
        let optional = |at: &Option<Timestamp>| at.map_or(0, Timestamp::as_millis);
        put_numbers(&mut encoded, [created_at.as_millis(), optional(edited_at), optional(deleted_at)]);
        encoded.extend(0_u32.to_be_bytes());
    }
    let client_message_id = message.client_message_id.as_ref();
    let fields = encode_fields(&author.id, client_message_id, message.text.as_ref().map_or("", |text| text.as_str()));
    encoded.extend(format!("n{}\n{fields}", author.display_name.as_str()).bytes());
    encoded
}

/// Encodes the fields of a message without the name, and its text.
pub fn encode_fields(author: &UserId, client_message_id: Option<&ClientMessageId>, text: &str) -> String {
    let client_message_id = client_message_id.map_or_else(String::new, |id| format!("c{}\n", id.as_str()));
    format!("a{}\n{client_message_id}\n{text}", author.as_str())
}

/// Decodes the event of a message's last change.
pub fn decode_event(room: RoomId, encoded: &[u8]) -> Result<Event, DecodeError> {
    decode_entry(encoded)?.0.into_event(decode_message(room, encoded)?)
}

/// Decodes a message.
pub fn decode_message(room: RoomId, encoded: &[u8]) -> Result<Message, DecodeError> {
    const ERROR: DecodeError = DecodeError("a message");
    let (entry, mut encoded) = decode_entry(encoded)?;
    let [mut created_at, mut edited_at, mut deleted_at] = [entry.at.as_millis(), 0, 0];
    if entry.kind != encode_kind(EventKind::Sent) {
        [created_at, edited_at, deleted_at] = take_numbers(&mut encoded)?;
        // The number of edits is for the scripts.
        encoded = encoded.split_at_checked(4).ok_or(ERROR)?.1;
    }
    let mut rest = str::from_utf8(encoded).map_err(|_| ERROR)?;
    let (mut id, mut name, mut client_message_id) = (None, None, None);
    let text = loop {
        let (line, after) = rest.split_once('\n').ok_or(ERROR)?;
        match line.as_bytes().first() {
            Some(b'a') => id = Some(line[1..].to_owned()),
            Some(b'n') => name = Some(line[1..].to_owned()),
            Some(b'c') => client_message_id = Some(ClientMessageId::from_stored(line[1..].to_owned())),
            Some(_) => {}
            None => break after,
        }
        rest = after;
    };
    let optional = |at: u64| (at > 0).then(|| Timestamp::from_millis(at));
    Ok(Message {
        id: MessageId { room, index: entry.index },
        author: user(id.ok_or(ERROR)?, name.ok_or(ERROR)?),
        text: (deleted_at == 0).then(|| MessageText::from_stored(text.to_owned())),
        created_at: Timestamp::from_millis(created_at),
        edited_at: optional(edited_at),
        deleted_at: optional(deleted_at),
        client_message_id,
        revision: entry.position.seq,
    })
}

/// The field of a room for an author.
pub fn author_field(id: &UserId) -> String {
    format!("u{}", id.as_str())
}

/// The field of a room for a send with a client message id.
pub fn send_field(author: &UserId, client_message_id: &ClientMessageId) -> String {
    format!("c{}\n{}", author.as_str(), client_message_id.as_str())
}

/// Encodes an author of a room.
pub fn encode_author(author: &User) -> String {
    format!("{}\n{}", author.id.as_str(), author.display_name.as_str())
}

/// Decodes an author of a room.
pub fn decode_author(encoded: &str) -> Result<User, DecodeError> {
    let (id, name) = encoded.split_once('\n').ok_or(DecodeError("an author"))?;
    Ok(user(id.to_owned(), name.to_owned()))
}

/// Encodes the state of a room. `live` is the number of its messages that are not deleted.
pub fn encode_state(state: &RoomState, live: u64) -> Vec<u8> {
    let RoomState { room, head, message_count, user_count, .. } = state;
    let (expires_at, created_at) = (room.expires_at.as_millis(), room.created_at.as_millis());
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [expires_at, created_at, head.seq.0, *message_count, live, *user_count]);
    encoded.extend(encode_tag(head.tag));
    encoded
}

/// Decodes a room from its state and its code. `now` computes the time from the end of the room.
pub fn decode_room(
    id: RoomId,
    mut state: &[u8],
    code: &[u8],
    now: impl FnOnce(Timestamp) -> Timestamp,
) -> Result<RoomState, DecodeError> {
    let [expires_at, created_at, seq, message_count, _live, user_count] = take_numbers(&mut state)?;
    let head = Position { seq: Seq(seq), tag: take_tag(&mut state)? };
    let code = str::from_utf8(code).map_err(|_| DecodeError("a room code"))?;
    let (created_at, expires_at) = (Timestamp::from_millis(created_at), Timestamp::from_millis(expires_at));
    let room = Room { id, code: RoomCode::from_stored(code.to_owned()), created_at, expires_at };
    Ok(RoomState { now: now(expires_at), room, head, message_count, user_count })
}

/// Encodes the tokens of a known user: the current one, and the previous one under which it is sealed, if there is one.
pub fn encode_tokens(current: TokenHash, previous: Option<PresentedToken>) -> Vec<u8> {
    let (previous, sealed) =
        previous.map_or(([0; 32], [0; 16]), |previous| (previous.hash.0, previous.sealed_next_token.0));
    [&current.0[..], &previous, &sealed, b"0"].concat()
}

/// Encodes the last argument of `send.lua`, which combines several values.
pub fn encode_send(admission: &Admission, tag: EntryTag, limits: RoomLimits) -> Vec<u8> {
    let mut encoded = encode_tokens(admission.next_token, admission.presented);
    encoded.extend(encode_tag(tag));
    put_numbers(&mut encoded, [admission.keep_until.as_millis(), limits.messages, limits.events]);
    encoded.extend(admission.register_as.as_ref().map_or("", |name| name.as_str()).bytes());
    encoded
}

/// Encodes a user, as `authenticate.lua` does.
pub fn encode_user(record: &UserRecord) -> Vec<u8> {
    let mut encoded = encode_tokens(record.current, record.previous);
    put_numbers(&mut encoded, [record.expires_at.as_millis()]);
    encoded.extend(record.user.display_name.as_str().bytes());
    encoded
}

/// Encodes an entry tag.
pub const fn encode_tag(tag: EntryTag) -> [u8; 8] {
    tag.0.to_be_bytes()
}

fn take_tag(encoded: &mut &[u8]) -> Result<EntryTag, DecodeError> {
    let (tag, rest) = encoded.split_first_chunk().ok_or(DecodeError("an entry tag"))?;
    *encoded = rest;
    Ok(EntryTag(u64::from_be_bytes(*tag)))
}

/// The greatest number has six bytes, because a number in Lua holds little more.
const MAX_NUMBER: u64 = (1 << 48) - 1;

fn put_numbers<const N: usize>(encoded: &mut Vec<u8>, numbers: [u64; N]) {
    numbers.iter().for_each(|number| encoded.extend(&number.min(&MAX_NUMBER).to_be_bytes()[2..]));
}

fn take_numbers<const N: usize>(encoded: &mut &[u8]) -> Result<[u64; N], DecodeError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (bytes, rest) = encoded.split_first_chunk::<6>().ok_or(DecodeError("a number"))?;
        *encoded = rest;
        let [a, b, c, d, e, f] = *bytes;
        *number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    }
    Ok(numbers)
}

/// Decodes a sealed token.
pub fn decode_sealed(bytes: &[u8]) -> Result<SealedToken, DecodeError> {
    bytes.try_into().map(SealedToken).map_err(|_| DecodeError("a sealed token"))
}

fn user(id: String, name: String) -> User {
    User { id: UserId::from_stored(id), display_name: DisplayName::from_stored(name) }
}

/// Decodes a decimal number.
pub fn decode_number(digits: &str) -> Result<u64, DecodeError> {
    digits.parse().map_err(|_| DecodeError("a number"))
}

/// Decodes milliseconds since the epoch.
pub fn decode_timestamp(digits: &str) -> Result<Timestamp, DecodeError> {
    decode_number(digits).map(Timestamp::from_millis)
}
