//! The writer's cache of rooms, in which writes find their room.
//!
//! Only the writer changes the database, so the cache equals what the tables contain, within the current transaction. When a
//! transaction is rolled back, the cache is cleared.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::embedded::rooms::{self, RoomRow};

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
        if self.size > CAPACITY {
            self.clear();
        }
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

    /// Remembers that `user` has sent a message in the room.
    pub(super) fn add_user(&mut self, room: RoomId, user: &UserId) {
        if let Some(room) = self.rooms.get_mut(&room)
            && !room.has_user(user)
        {
            room.users.insert(user.clone());
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
}
