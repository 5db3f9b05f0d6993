//! What this process remembers of rooms: what never changes about them, so that a send need not ask the store for it.
//!
//! A room is remembered no longer than it lives, by the store's clock at the moment it was read. Only whether it is still
//! there is believed; a store that has lost it says so when something is to be written, and then it is forgotten.

use std::sync::Arc;
use std::time::Instant;

use quick_cache::sync::Cache;

use crate::domain::room::{Room, RoomId};
use crate::store::RoomState;

/// Rooms remembered, at some 200 bytes each.
const ROOMS_MAX: usize = 50_000;

#[derive(Clone)]
pub(super) struct Rooms(Arc<Cache<RoomId, Remembered>>);

#[derive(Clone)]
struct Remembered {
    room: Arc<Room>,
    until: Instant,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::new(ROOMS_MAX)))
    }

    /// The room, if it is remembered and its time is not over.
    pub(super) fn find(&self, id: RoomId) -> Option<Arc<Room>> {
        let found = self.0.get(&id)?;
        if Instant::now() < found.until {
            return Some(found.room);
        }
        self.forget(id);
        None
    }

    /// Remembers a room whose state was asked for at the moment `asked`: it cannot end before that and what it had left.
    pub(super) fn remember(&self, state: RoomState, asked: Instant) -> Arc<Room> {
        let left = state.room.remaining(state.now);
        let room = Arc::new(state.room);
        if let Some(until) = asked.checked_add(left) {
            self.0.insert(room.id, Remembered { room: Arc::clone(&room), until });
        }
        room
    }

    pub(super) fn forget(&self, id: RoomId) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event::{EntryTag, Position, Seq};
    use crate::domain::room::RoomCode;
    use crate::domain::timestamp::Timestamp;

    /// A room with so much of its life left.
    fn room(left: Duration) -> RoomState {
        let now = Timestamp::from_millis(1_000_000);
        let (id, code) = (RoomId::random(), RoomCode::random(6));
        let room = Room { id, code, created_at: now, expires_at: now.plus(left) };
        let head = Position { seq: Seq(0), check: EntryTag(0) };
        RoomState { room, now, head, message_count: 0, chatter_count: 0 }
    }

    #[test]
    fn a_room_is_remembered_until_its_time_is_over_or_it_is_gone() {
        let (rooms, asked) = (Rooms::new(), Instant::now());
        let alive = rooms.remember(room(Duration::from_secs(60)), asked);
        assert_eq!(rooms.find(alive.id), Some(Arc::clone(&alive)));
        rooms.forget(alive.id);
        assert_eq!(rooms.find(alive.id), None);
        let over = rooms.remember(room(Duration::ZERO), asked);
        assert_eq!(rooms.find(over.id), None);
    }

    #[test]
    fn many_rooms_take_a_bounded_space() {
        let rooms = Rooms::new();
        for _ in 0..ROOMS_MAX * 2 {
            rooms.remember(room(Duration::from_secs(60)), Instant::now());
        }
        assert!(rooms.0.len() <= ROOMS_MAX);
    }
}
