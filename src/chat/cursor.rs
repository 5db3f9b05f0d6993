//! The cursors of both APIs: opaque base64 strings that name a position in a room's log or a place in a list.
//!
//! Each cursor of a list inside a room names the room, so a cursor of another room is detected. An event cursor also
//! carries the tag of its log entry, so the store detects that the entry no longer exists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::violation::Violation;

const EVENT: u8 = b'e';
const MESSAGE: u8 = b'm';
const USER: u8 = b'c';
const BAN: u8 = b'b';
const ROOM: u8 = b'r';

/// Encodes a position in the log of `room`.
pub fn encode_event(room: RoomId, position: Position) -> String {
    encode(EVENT, &[room.as_bytes(), &position.seq.0.to_be_bytes(), &position.tag.0.to_be_bytes()])
}

/// Decodes a position in the log of `room`. Only the store can tell whether the log has such an entry.
pub fn decode_event(room: RoomId, cursor: &str) -> Result<Position, Violation> {
    let bytes: [u8; 32] = decode(EVENT, cursor)?;
    let numbers = strip_room(room, &bytes)?;
    Ok(Position { seq: Seq(number(&numbers[..8])), tag: EntryTag(number(&numbers[8..])) })
}

/// Encodes the index of a message in `room`.
pub fn encode_message(room: RoomId, index: u64) -> String {
    encode(MESSAGE, &[room.as_bytes(), &index.to_be_bytes()])
}

/// Decodes the index of a message in `room`.
pub fn decode_message(room: RoomId, cursor: &str) -> Result<u64, Violation> {
    decode_index(MESSAGE, room, cursor)
}

/// Encodes the index of a user in `room`'s list of users.
pub fn encode_user(room: RoomId, index: u64) -> String {
    encode(USER, &[room.as_bytes(), &index.to_be_bytes()])
}

/// Decodes the index of a user in `room`'s list of users.
pub fn decode_user(room: RoomId, cursor: &str) -> Result<u64, Violation> {
    decode_index(USER, room, cursor)
}

/// Encodes the index of a ban in `room`'s list of bans.
pub fn encode_ban(room: RoomId, index: u64) -> String {
    encode(BAN, &[room.as_bytes(), &index.to_be_bytes()])
}

/// Decodes the index of a ban in `room`'s list of bans.
pub fn decode_ban(room: RoomId, cursor: &str) -> Result<u64, Violation> {
    decode_index(BAN, room, cursor)
}

/// Encodes the place of a room in the list of active rooms.
pub fn encode_room(created_at: Timestamp, room: RoomId) -> String {
    encode(ROOM, &[room.as_bytes(), &created_at.as_millis().to_be_bytes()])
}

/// Decodes a place in the list of active rooms.
pub fn decode_room(cursor: &str) -> Result<(Timestamp, RoomId), Violation> {
    let bytes: [u8; 24] = decode(ROOM, cursor)?;
    let mut room = [0; 16];
    room.copy_from_slice(&bytes[..16]);
    Ok((Timestamp::from_millis(number(&bytes[16..])), RoomId::from_bytes(room)))
}

fn decode_index(kind: u8, room: RoomId, cursor: &str) -> Result<u64, Violation> {
    let bytes: [u8; 24] = decode(kind, cursor)?;
    strip_room(room, &bytes).map(number)
}

fn encode(kind: u8, parts: &[&[u8]]) -> String {
    let mut bytes = vec![kind];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    BASE64.encode(bytes)
}

fn decode<const N: usize>(kind: u8, cursor: &str) -> Result<[u8; N], Violation> {
    let bytes = BASE64.decode(cursor).map_err(|_| Violation::CursorInvalid)?;
    match bytes.split_first() {
        Some((&found, rest)) if found == kind => rest.try_into().map_err(|_| Violation::CursorInvalid),
        _ => Err(Violation::CursorInvalid),
    }
}

fn strip_room(room: RoomId, bytes: &[u8]) -> Result<&[u8], Violation> {
    bytes.strip_prefix(room.as_bytes()).ok_or(Violation::CursorInvalid)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_cursor_decodes_only_in_its_room(seq: u64, tag: u64) {
            let (room, other) = (RoomId::random(), RoomId::random());
            let position = Position { seq: Seq(seq), tag: EntryTag(tag) };
            let cursor = encode_event(room, position);
            prop_assert_eq!(decode_event(room, &cursor), Ok(position));
            prop_assert_eq!(decode_event(other, &cursor), Err(Violation::CursorInvalid));
            prop_assert_eq!(decode_message(room, &cursor), Err(Violation::CursorInvalid));
        }

        #[test]
        fn a_list_cursor_decodes_only_as_its_own_kind(index: u64) {
            let room = RoomId::random();
            prop_assert_eq!(decode_message(room, &encode_message(room, index)), Ok(index));
            prop_assert_eq!(decode_user(room, &encode_user(room, index)), Ok(index));
            prop_assert_eq!(decode_ban(room, &encode_ban(room, index)), Ok(index));
            prop_assert!(decode_message(room, &encode_user(room, index)).is_err());
            prop_assert!(decode_user(room, &encode_ban(room, index)).is_err());
            prop_assert!(decode_ban(RoomId::random(), &encode_ban(room, index)).is_err());
            let created_at = Timestamp::from_millis(index);
            prop_assert_eq!(decode_room(&encode_room(created_at, room)), Ok((created_at, room)));
        }

        #[test]
        fn decoding_arbitrary_text_never_panics(text: String) {
            prop_assert!(decode_event(RoomId::random(), &text).is_err());
            prop_assert!(decode_room(&text).is_err());
        }
    }
}
