//! The text forms of room and message ids in both APIs, including the legacy form of a room id.

use crate::domain::message::MessageId;
use crate::domain::room::RoomId;
use crate::domain::violation::Violation;

/// Precedes the 32 hex digits of a room id in the legacy routes.
const LEGACY_PREFIX: &str = "room:*";

/// Parses a room id: 32 hex digits, with or without the legacy prefix.
pub fn parse_room_id(text: &str) -> Result<RoomId, Violation> {
    RoomId::parse(strip_legacy_prefix(text))
}

/// Parses a message id, whose room may be written with the legacy prefix.
pub fn parse_message_id(text: &str) -> Result<MessageId, Violation> {
    MessageId::parse(strip_legacy_prefix(text))
}

/// The room id in its legacy form: `room:*` and 32 hex digits.
pub fn legacy_room_id(id: RoomId) -> String {
    format!("{LEGACY_PREFIX}{id}")
}

fn strip_legacy_prefix(text: &str) -> &str {
    text.strip_prefix(LEGACY_PREFIX).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_with_and_without_the_legacy_prefix_and_with_no_other() {
        let id = RoomId::random();
        assert_eq!(parse_room_id(&id.to_string()), Ok(id));
        assert_eq!(parse_room_id(&legacy_room_id(id)), Ok(id));
        let message = MessageId { room: id, index: 17 };
        assert_eq!(parse_message_id(&message.to_string()), Ok(message));
        assert_eq!(parse_message_id(&format!("{LEGACY_PREFIX}{message}")), Ok(message));
        for text in ["room:*", &format!("room:{id}"), &format!("room:*room:*{id}")] {
            assert!(parse_room_id(text).is_err(), "{text} was accepted");
        }
    }
}
