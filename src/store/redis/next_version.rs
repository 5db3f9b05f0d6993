//! Adds to the data in Redis what a newer version may add, for the rolling restart of `bench/cuts.rs`.
//!
//! Only a build with the feature `test-next-version` contains this. It reads the data like any other build, so it passes over its
//! own additions, too.

use crate::domain::position::EntryTag;
use crate::store::Committed;
use crate::store::redis::RedisStore;
use crate::store::redis::keys::ROOM_PARTS;

/// Fields of a message. The second holds content, so a deletion removes it.
pub(super) const MESSAGE_FIELDS: &str = "zfield of the next version\nZcontent of the next version\n";

/// A line behind those of a user, and a setting behind those of a room.
pub(super) const LINE: &str = "\nzline of the next version";

/// One of this many changes of a room is followed by an entry of an unknown kind.
const INTERVAL: u64 = 5;

impl RedisStore {
    /// Appends an entry of an unknown kind after some of the changes. If it is about a message, it is also the last change of that.
    pub(super) async fn add_unknown_entry(&self, committed: &Committed) {
        let Committed::New(event) = committed else { return };
        if !event.position.seq.0.is_multiple_of(INTERVAL) {
            return;
        }
        let index = event.message().map_or_else(String::new, |message| message.id.index.to_string());
        let mut call = self.on_room(&self.inner.scripts.next_version, event.room, &ROOM_PARTS);
        call.arg(&EntryTag::random().0.to_be_bytes()[..]).arg(index);
        // The room may have ended. Nobody waits for the entry.
        let _ = self.run(&call).await;
    }
}
