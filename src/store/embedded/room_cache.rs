//! The writer's cache of rooms. Writes find their room here, and a changed room is written once per transaction, however many
//! changes it had.
//!
//! Only the writer changes the database, so the cache equals what the tables contain, or will contain after the current
//! transaction. When a transaction is rolled back, the cache is cleared.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use crate::domain::event::Event;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::embedded::rooms::{self, RoomRow, tag_to_sql};

/// Maximum number of cached rooms and users, some 10 MB; beyond that, the cache is cleared.
const CAPACITY: usize = 65_536;

/// A cached room.
pub(super) struct CachedRoom {
    pub(super) row: RoomRow,
    /// Some of the users who have sent a message in the room.
    users: HashSet<UserId>,
}

impl CachedRoom {
    /// Whether `user` is known to have sent a message in the room. If not, it may still have.
    pub(super) fn has_user(&self, user: &UserId) -> bool {
        self.users.contains(user)
    }
}

/// The cache.
#[derive(Default)]
pub(super) struct RoomCache {
    rooms: HashMap<RoomId, CachedRoom>,
    /// Rooms that differ from their rows in the tables.
    changed: HashSet<RoomId>,
    /// Number of cached rooms and users.
    size: usize,
}

impl RoomCache {
    /// Returns the room if it is alive at `now`; reads it if it is not cached.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        id: RoomId,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&mut CachedRoom>> {
        let room = match self.rooms.entry(id) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => {
                let Some(row) = rooms::find(connection, id, now)? else { return Ok(None) };
                self.size += 1;
                vacant.insert(CachedRoom { row, users: HashSet::new() })
            }
        };
        room.row.state.now = now;
        Ok((room.row.state.room.expires_at > now).then_some(room))
    }

    /// Marks the room of this event as changed since [`find`](Self::find) returned it.
    pub(super) fn mark_changed(&mut self, event: &Event) {
        let (id, author) = (event.room(), &event.message.author.id);
        self.changed.insert(id);
        if let Some(room) = self.rooms.get_mut(&id)
            && !room.has_user(author)
        {
            room.users.insert(author.clone());
            self.size += 1;
        }
    }

    /// Removes a room whose id is given to a new room.
    pub(super) fn remove(&mut self, id: RoomId) {
        self.rooms.remove(&id);
    }

    /// Removes everything, because a transaction was rolled back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes the changed rooms. The last step of a transaction.
    pub(super) fn flush(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for room in self.changed.drain().filter_map(|id| self.rooms.get(&id)) {
            let (key, state) = (room.row.key, &room.row.state);
            connection
                .prepare_cached(
                    "UPDATE room SET seq = ?2, mark = ?3, messages = ?4, chatters = ?5, deleted = ?6 WHERE key = ?1",
                )?
                .execute(params![
                    key,
                    state.head.seq.0,
                    tag_to_sql(state.head.tag),
                    state.message_count,
                    state.user_count,
                    room.row.deleted,
                ])?;
        }
        if self.size > CAPACITY {
            self.clear();
        }
        Ok(())
    }
}
