//! The rooms as the writing thread remembers them: a change finds its room here, and a room that was changed is written
//! once a transaction, however many changes it had.
//!
//! Nobody else writes, so what is remembered is what the tables hold, or will hold when the transaction is on disk. When
//! one is undone, everything is forgotten.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use crate::domain::event::Event;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::embedded::rows::{self, RoomRow, mark_of};

/// Rooms and chatters that are remembered, at most, before all of them are forgotten: some 10 MB.
const REMEMBERED: usize = 65_536;

/// What is remembered of a room.
pub(super) struct Remembered {
    pub(super) row: RoomRow,
    /// Some of those who sent a message there.
    chatters: HashSet<UserId>,
}

impl Remembered {
    /// Whether `user` is known to have sent a message there. When not, it may have.
    pub(super) fn remembers(&self, user: &UserId) -> bool {
        self.chatters.contains(user)
    }
}

/// All rooms that are remembered.
#[derive(Default)]
pub(super) struct Rooms {
    by_id: HashMap<RoomId, Remembered>,
    /// Those that the tables do not hold as they are here.
    changed: HashSet<RoomId>,
    /// Rooms and chatters.
    size: usize,
}

impl Rooms {
    /// The room, if it is alive at `now`.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        id: RoomId,
        now: Timestamp,
    ) -> rusqlite::Result<Option<&mut Remembered>> {
        let room = match self.by_id.entry(id) {
            Entry::Occupied(remembered) => remembered.into_mut(),
            Entry::Vacant(place) => {
                let Some(row) = rows::room(connection, id, now)? else { return Ok(None) };
                self.size += 1;
                place.insert(Remembered { row, chatters: HashSet::new() })
            }
        };
        room.row.state.now = now;
        Ok((room.row.state.room.expires_at > now).then_some(room))
    }

    /// Takes note that the room of this event is as [`find`](Self::find) gave it out and the caller changed it.
    pub(super) fn note(&mut self, event: &Event) {
        let (id, author) = (event.room(), &event.message.author.id);
        self.changed.insert(id);
        if let Some(room) = self.by_id.get_mut(&id)
            && !room.remembers(author)
        {
            room.chatters.insert(author.clone());
            self.size += 1;
        }
    }

    /// Forgets a room whose id another one gets.
    pub(super) fn forget(&mut self, id: RoomId) {
        self.by_id.remove(&id);
    }

    /// Forgets everything: the transaction is undone.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// Writes what has changed: the last thing in a transaction.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for room in self.changed.drain().filter_map(|id| self.by_id.get(&id)) {
            let (key, state) = (room.row.key, &room.row.state);
            connection
                .prepare_cached(
                    "UPDATE room SET seq = ?2, mark = ?3, messages = ?4, chatters = ?5, deleted = ?6 WHERE key = ?1",
                )?
                .execute(params![
                    key,
                    state.head.seq.0,
                    mark_of(state.head.tag),
                    state.message_count,
                    state.user_count,
                    room.row.deleted,
                ])?;
        }
        if self.size > REMEMBERED {
            self.forget_all();
        }
        Ok(())
    }
}
