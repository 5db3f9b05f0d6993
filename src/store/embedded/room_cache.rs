//! The writer's cache of rooms, in which writes find their room.
//!
//! Only the writer changes the database, so the cache equals what the tables contain, within the current transaction. When a
//! transaction is rolled back, the cache is cleared.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use rusqlite::Connection;

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::embedded::bans;
use crate::store::embedded::members::{self, MemberRow};
use crate::store::embedded::reaction_rows;
use crate::store::embedded::rooms::{self, RoomRow};

/// Maximum number of cached rooms and users, some 20 MB; beyond that, the cache is cleared.
const CAPACITY: usize = 65_536;

/// A cached room.
pub(super) struct CachedRoom {
    pub(super) row: RoomRow,
    /// Whether any user was banned and not unbanned.
    pub(super) has_bans: bool,
    /// Messages whose next log entry about reactions is due at some time. Each reserves its entry.
    pub(super) marks: u64,
    /// Some of the users.
    members: HashMap<UserId, MemberRow>,
    /// Number of all cached rooms and users.
    size: Rc<Cell<usize>>,
}

impl CachedRoom {
    /// Log entries that are reserved: one for the deletion of each message, and one for each mark.
    pub(super) const fn reserved(&self) -> u64 {
        self.row.live() + self.marks
    }

    /// Whether the room has a rule that may forbid something to a user who is not an owner.
    pub(super) const fn has_rules(&self) -> bool {
        self.has_bans || self.row.state.settings.locked || self.row.state.settings.slow_mode_seconds > 0
    }

    /// A user of the room, if it is one. Reads the user if it is not cached.
    pub(super) fn member(&mut self, connection: &Connection, user: &UserId) -> rusqlite::Result<Option<&MemberRow>> {
        if !self.members.contains_key(user)
            && let Some(row) = members::find(connection, self.row.key, user)?
        {
            self.set_member(user, row);
        }
        Ok(self.members.get(user))
    }

    /// Caches a user as it is stored now.
    pub(super) fn set_member(&mut self, user: &UserId, row: MemberRow) {
        if let Some(member) = self.members.get_mut(user) {
            *member = row;
        } else {
            self.members.insert(user.clone(), row);
            self.size.set(self.size.get() + 1);
        }
    }
}

/// The cache.
#[derive(Default)]
pub(super) struct RoomCache {
    rooms: HashMap<RoomId, CachedRoom>,
    /// Number of cached rooms and users.
    size: Rc<Cell<usize>>,
}

impl RoomCache {
    /// Returns the room if it is alive at `now`; reads it if it is not cached.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        id: RoomId,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&mut CachedRoom>> {
        if self.size.get() > CAPACITY {
            self.clear();
        }
        let room = match self.rooms.entry(id) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(vacant) => {
                let Some(row) = rooms::find(connection, id, now)? else { return Ok(None) };
                let has_bans = bans::exist(connection, row.key)?;
                let marks = reaction_rows::count_marks(connection, row.key)?;
                self.size.set(self.size.get() + 1);
                let (members, size) = (HashMap::new(), Rc::clone(&self.size));
                vacant.insert(CachedRoom { row, has_bans, marks, members, size })
            }
        };
        room.row.state.now = now;
        Ok((room.row.state.room.expires_at > now).then_some(room))
    }

    /// Removes a room that has ended, or whose id is given to a new room.
    pub(super) fn remove(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.remove(&id) {
            self.size.set(self.size.get().saturating_sub(1 + room.members.len()));
        }
    }

    /// Removes everything, because a transaction was rolled back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
