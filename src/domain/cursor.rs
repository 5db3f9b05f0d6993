//! The opaque strings by which clients say where they are.
//!
//! All of them name the room they were made in, so a cursor of another room is known as such; an event cursor also
//! carries the check of the entry it names, so it is known when that entry is not there any more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::domain::event::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::violation::Violation;

const EVENT: u8 = b'e';
const MESSAGE: u8 = b'm';
const CHATTER: u8 = b'c';
const ROOM: u8 = b'r';

/// Writes the position of an event in `room`.
pub fn of_event(room: RoomId, position: Position) -> String {
    encode(EVENT, &[room.as_bytes(), &position.seq.0.to_be_bytes(), &position.check.0.to_be_bytes()])
}

/// Reads a position in `room`. Whether the log has such an entry only the store can say.
pub fn parse_event(room: RoomId, cursor: &str) -> Result<Position, Violation> {
    let bytes: [u8; 32] = decode(EVENT, cursor)?;
    let numbers = in_room(room, &bytes)?;
    Ok(Position { seq: Seq(number(&numbers[..8])), check: EntryTag(number(&numbers[8..])) })
}

/// Writes the place of a message in `room`'s list of messages.
pub fn of_message(room: RoomId, index: u64) -> String {
    encode(MESSAGE, &[room.as_bytes(), &index.to_be_bytes()])
}

/// Reads a place in `room`'s list of messages.
pub fn parse_message(room: RoomId, cursor: &str) -> Result<u64, Violation> {
    parse_place(MESSAGE, room, cursor)
}

/// Writes the place of a chatter in `room`'s list of chatters.
pub fn of_chatter(room: RoomId, ordinal: u64) -> String {
    encode(CHATTER, &[room.as_bytes(), &ordinal.to_be_bytes()])
}

/// Reads a place in `room`'s list of chatters.
pub fn parse_chatter(room: RoomId, cursor: &str) -> Result<u64, Violation> {
    parse_place(CHATTER, room, cursor)
}

/// Writes the place of a room in the list of all rooms.
pub fn of_room(created_at: Timestamp, room: RoomId) -> String {
    encode(ROOM, &[room.as_bytes(), &created_at.as_millis().to_be_bytes()])
}

/// Reads a place in the list of all rooms.
pub fn parse_room(cursor: &str) -> Result<(Timestamp, RoomId), Violation> {
    let bytes: [u8; 24] = decode(ROOM, cursor)?;
    let mut room = [0; 16];
    room.copy_from_slice(&bytes[..16]);
    Ok((Timestamp::from_millis(number(&bytes[16..])), RoomId::from_bytes(room)))
}

fn parse_place(kind: u8, room: RoomId, cursor: &str) -> Result<u64, Violation> {
    let bytes: [u8; 24] = decode(kind, cursor)?;
    in_room(room, &bytes).map(number)
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

fn in_room(room: RoomId, bytes: &[u8]) -> Result<&[u8], Violation> {
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
        fn an_event_cursor_is_read_back_in_its_room_only(seq: u64, check: u64) {
            let (room, other) = (RoomId::random(), RoomId::random());
            let position = Position { seq: Seq(seq), check: EntryTag(check) };
            let cursor = of_event(room, position);
            prop_assert_eq!(parse_event(room, &cursor), Ok(position));
            prop_assert_eq!(parse_event(other, &cursor), Err(Violation::CursorInvalid));
            prop_assert_eq!(parse_message(room, &cursor), Err(Violation::CursorInvalid));
        }

        #[test]
        fn a_place_is_read_back_by_its_own_kind_only(index: u64) {
            let room = RoomId::random();
            prop_assert_eq!(parse_message(room, &of_message(room, index)), Ok(index));
            prop_assert_eq!(parse_chatter(room, &of_chatter(room, index)), Ok(index));
            prop_assert!(parse_message(room, &of_chatter(room, index)).is_err());
            let created_at = Timestamp::from_millis(index);
            prop_assert_eq!(parse_room(&of_room(created_at, room)), Ok((created_at, room)));
        }

        #[test]
        fn no_text_makes_the_reading_of_a_cursor_panic(text: String) {
            prop_assert!(parse_event(RoomId::random(), &text).is_err());
            prop_assert!(parse_room(&text).is_err());
        }
    }
}
