//! The names of everything kept in Redis. What is kept under them is written in `record` and the scripts.
//!
//! The part in braces decides the slot in a cluster: whatever one script touches carries the same.

use sha2::{Digest as _, Sha256};

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::Subject;

/// The channel on which a room's events are announced.
pub const EVENTS: &str = "events";

/// Makes names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    pub const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Something that belongs to one room.
    pub fn of_room(&self, room: RoomId, name: &str) -> String {
        format!("{}:{{{room}}}:{name}", self.prefix)
    }

    /// The room whose [`EVENTS`] channel this is.
    pub fn room_of_events(&self, channel: &str) -> Option<RoomId> {
        let room = channel.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix(EVENTS)?.strip_suffix("}:")?;
        RoomId::parse(room).ok()
    }

    /// A user. Ids hold any characters, so the key has a digest of theirs.
    pub fn user(&self, user: &UserId) -> String {
        format!("{}:{{{}}}:user", self.prefix, hex::encode(Sha256::digest(user.as_str())))
    }

    /// The misses of somebody.
    pub fn strikes(&self, subject: Subject) -> String {
        format!("{}:{{{}}}:strikes", self.prefix, hex::encode(subject.0))
    }

    /// A part of the list of rooms: once in the order of age, once in the order of expiry.
    pub fn rooms(&self, part: u8) -> [String; 2] {
        ["age", "expiry"].map(|order| format!("{}:{{rooms:{part:02}}}:{order}", self.prefix))
    }

    /// What [`ping`](crate::store::Store::ping) writes: one of several, which are in different slots.
    pub fn ping(&self, n: u32) -> String {
        format!("{}:{{ping:{n}}}:ping", self.prefix)
    }
}

/// Parts of the list of rooms. Each lies in a slot of its own, so that in a cluster the list lies on all nodes.
pub const LIST_PARTS: u8 = 16;

/// The part of the list of rooms in which a room stands.
pub const fn list_part(room: RoomId) -> u8 {
    // Ids are random.
    room.as_bytes()[15] % LIST_PARTS
}

/// A room in the list of rooms, written so that entries sort by age.
pub fn list_entry(created_at: Timestamp, room: RoomId) -> String {
    format!("{:020}:{room}", created_at.as_millis())
}

/// Reads what [`list_entry`] wrote.
pub fn room_of_list_entry(entry: &str) -> Option<RoomId> {
    RoomId::parse(entry.split_once(':')?.1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_read_back_from_its_channel_and_from_its_list_entry() {
        let (room, keys) = (RoomId::random(), Keys::new("some:prefix".into()));
        assert_eq!(keys.room_of_events(&keys.of_room(room, EVENTS)), Some(room));
        assert_eq!(keys.room_of_events(&keys.of_room(room, "log")), None);
        assert_eq!(Keys::new("other".into()).room_of_events(&keys.of_room(room, EVENTS)), None);
        assert_eq!(room_of_list_entry(&list_entry(Timestamp::from_millis(7), room)), Some(room));
    }
}
