//! Whose turn it is to render: one operation of a room at a time, the rooms in turn, and all of them together on no more than
//! half of the workers.
//!
//! To render is work without a pause. Without turns, an event of a room with many distinct operations would put all of its
//! renderings before whatever else waits for a worker, the requests and events of other rooms among them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread::available_parallelism;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::room::RoomId;

/// Hands out turns.
#[derive(Clone)]
pub(in crate::graphql) struct RenderTurns {
    /// One permit for each rendering that may run.
    workers: Arc<Semaphore>,
    /// The rooms that are followed.
    rooms: Arc<Mutex<HashMap<RoomId, Weak<Semaphore>>>>,
}

/// The turns of one room. All who follow the room share them.
#[derive(Clone)]
pub(in crate::graphql) struct RoomTurns {
    workers: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// A turn; the next one's begins when it is dropped.
pub(in crate::graphql) struct Turn {
    _worker: Option<OwnedSemaphorePermit>,
    _room: Option<OwnedSemaphorePermit>,
}

impl RenderTurns {
    pub(in crate::graphql) fn new() -> Self {
        let workers = available_parallelism().map_or(1, usize::from) / 2;
        Self { workers: Arc::new(Semaphore::new(workers.max(1))), rooms: Arc::default() }
    }

    /// The turns of a room.
    pub(in crate::graphql) fn of(&self, room: RoomId) -> RoomTurns {
        let mut rooms = self.rooms.lock();
        let known = rooms.get(&room).and_then(Weak::upgrade);
        let room = known.unwrap_or_else(|| {
            // Before the map grows, rooms that nobody follows any more leave it.
            if rooms.len() == rooms.capacity() {
                rooms.retain(|_, turns| turns.strong_count() > 0);
            }
            let turns = Arc::new(Semaphore::new(1));
            rooms.insert(room, Arc::downgrade(&turns));
            turns
        });
        RoomTurns { workers: Arc::clone(&self.workers), room }
    }
}

impl RoomTurns {
    /// Waits for a turn, first in the room and then among the rooms; both queues are in order.
    pub(in crate::graphql) async fn take(&self) -> Turn {
        let at_once = (Arc::clone(&self.room).try_acquire_owned(), Arc::clone(&self.workers).try_acquire_owned());
        if let (Ok(room), Ok(worker)) = at_once {
            return Turn { _worker: Some(worker), _room: Some(room) };
        }
        drop(at_once);
        // The semaphores are never closed.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let worker = Arc::clone(&self.workers).acquire_owned().await.ok();
        // Whoever is woken by the end of a turn runs next, before what has waited for a worker for longer.
        tokio::task::yield_now().await;
        Turn { _worker: worker, _room: room }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_room_with_many_operations_has_one_turn_at_a_time_and_lets_other_rooms_pass() {
        let turns = RenderTurns { workers: Arc::new(Semaphore::new(2)), rooms: Arc::default() };
        let (crowded, other) = (turns.of(RoomId::random()), turns.of(RoomId::random()));
        let first = crowded.take().now_or_never().expect("a turn");
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let crowded = crowded.clone();
                tokio::spawn(async move { drop(crowded.take().await) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|turn| !turn.is_finished()));
        drop(other.take().now_or_never().expect("a turn at once"));
        drop(first);
        for turn in waiting {
            turn.await.expect("a turn");
        }
    }

    #[tokio::test]
    async fn turns_are_kept_for_as_long_as_a_room_is_followed() {
        let turns = RenderTurns::new();
        let rooms: Vec<_> = (0..100).map(|_| RoomId::random()).collect();
        let first = turns.of(rooms[0]);
        rooms.iter().for_each(|room| drop(turns.of(*room)));
        assert!(Arc::ptr_eq(&first.room, &turns.of(rooms[0]).room));
        let kept = turns.rooms.lock().len();
        assert!(kept < 100, "{kept} rooms are kept");
    }
}
