//! Names of keys and channels. The values under them are described in `codec` and the scripts.
//!
//! The part in braces, the hash tag, decides the slot in a cluster: all keys of one script call have the same tag.

use sha2::{Digest as _, Sha256};

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::Subject;
use crate::store::redis::link::topology::Topology;

/// The version of the names and values. Raise it with every change that another version would misread.
pub const LAYOUT: u64 = 1;

/// The keys of a room. A script that reads the content of a room gets all of them, to detect that one is missing.
pub const ROOM_PARTS: [&str; 3] = ["room", "messages", "log"];

/// All keys of a room.
pub const ALL_ROOM_PARTS: [&str; 14] = [
    "room",
    "messages",
    "log",
    "viewers",
    "guesses",
    "last",
    "known",
    "reactions",
    "marks",
    "bans",
    "ban_ends",
    "ban_addresses",
    "presence",
    "nodes",
];

/// The keys of a room for the counting of its wrong codes.
pub const CODE_PARTS: [&str; 6] = ["room", "messages", "log", "guesses", "last", "known"];

/// Builds names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Ends with the layout's version.
    prefix: String,
    /// The key that holds the version of the layout in use under the prefix.
    pub layout: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}:{LAYOUT}"), layout: format!("{prefix}:layout") }
    }

    /// A key of a room.
    pub fn of_room(&self, room: RoomId, name: &str) -> String {
        format!("{}:{{{room}}}:{name}", self.prefix)
    }

    /// The channel on which a room's events and other announcements are published. It has the name of a key that the scripts
    /// get anyway.
    pub fn events_channel(&self, room: RoomId) -> String {
        self.of_room(room, "room")
    }

    /// The room of an [`events_channel`](Self::events_channel).
    pub fn parse_events_channel(&self, channel: &str) -> Option<RoomId> {
        let room = channel.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix("}:room")?;
        RoomId::parse(room).ok()
    }

    /// A user. Ids may contain any characters, so the key has a digest of the id.
    pub fn user(&self, user: &UserId) -> String {
        format!("{}:{{{}}}:user", self.prefix, hex::encode(Sha256::digest(user.as_str())))
    }

    /// The failure counter of a subject.
    pub fn failures(&self, subject: Subject) -> String {
        format!("{}:{{{}}}:strikes", self.prefix, hex::encode(subject.0))
    }

    /// A part of the list of rooms: ordered by age, and ordered by expiry.
    pub fn room_list(&self, part: u8) -> [String; 2] {
        ["age", "expiry"].map(|order| format!("{}:{{rooms:{part:02}}}:{order}", self.prefix))
    }

    /// The part of the list of rooms for a room. In a cluster it prefers a part on the room's shard, so that the room is listed
    /// whenever it can be read. If slots move later, nothing depends on it.
    pub fn list_part(&self, room: RoomId, topology: Option<&Topology>) -> u8 {
        // Ids are random.
        let random = room.as_bytes()[15];
        let Some(topology) = topology else { return random % LIST_PARTS };
        let shard = topology.address_of(&self.of_room(room, "room"));
        let is_on_shard = |part: &u8| topology.address_of(&self.room_list(*part)[0]) == shard;
        let local: Vec<_> = (0..LIST_PARTS).filter(is_on_shard).collect();
        if local.is_empty() { random % LIST_PARTS } else { local[usize::from(random % LIST_PARTS) % local.len()] }
    }

    /// A key that [`ping`](crate::store::Store::ping) writes. There are several, in different slots.
    pub fn ping(&self, n: u32) -> String {
        format!("{}:{{ping:{n}}}:ping", self.prefix)
    }
}

/// Parts of the list of rooms. Each has a slot of its own, so a cluster spreads the list over all nodes.
pub const LIST_PARTS: u8 = 16;

/// An entry of the list of rooms. Entries sort by age.
pub fn list_entry(created_at: Timestamp, room: RoomId) -> String {
    format!("{:020}:{room}", created_at.as_millis())
}

/// Parses a [`list_entry`].
pub fn parse_list_entry(entry: &str) -> Option<RoomId> {
    RoomId::parse(entry.split_once(':')?.1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_parsed_from_its_channel_and_its_list_entry() {
        let (room, keys) = (RoomId::random(), Keys::new("some:prefix"));
        assert_eq!(keys.parse_events_channel(&keys.events_channel(room)), Some(room));
        assert_eq!(keys.parse_events_channel(&keys.of_room(room, "log")), None);
        assert_eq!(Keys::new("other").parse_events_channel(&keys.events_channel(room)), None);
        assert_eq!(parse_list_entry(&list_entry(Timestamp::from_millis(7), room)), Some(room));
    }
}
