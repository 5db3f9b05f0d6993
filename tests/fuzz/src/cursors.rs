//! Targets for single parsers.

use livechat::chat::cursor;
use livechat::domain::room::RoomId;

/// The first 16 bytes are the room, the rest is the cursor. An accepted cursor must equal its own encoding.
pub fn cursor(bytes: &[u8]) {
    let Some((room, text)) = bytes.split_first_chunk::<16>() else { return };
    let (room, text) = (RoomId::from_bytes(*room), &*String::from_utf8_lossy(text));
    if let Ok(position) = cursor::decode_event(room, text) {
        assert_eq!(cursor::encode_event(room, position), text);
    }
    if let Ok(index) = cursor::decode_message(room, text) {
        assert_eq!(cursor::encode_message(room, index), text);
    }
    if let Ok(ordinal) = cursor::decode_user(room, text) {
        assert_eq!(cursor::encode_user(room, ordinal), text);
    }
    if let Ok((created_at, room)) = cursor::decode_room(text) {
        assert_eq!(cursor::encode_room(created_at, room), text);
    }
}
