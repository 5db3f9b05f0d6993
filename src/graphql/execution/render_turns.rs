//! Schedules renderings: one at a time per room, rooms in turn, and all of them together on at most half of the workers.
//!
//! Rendering is CPU work. Without turns, an event of a room with many distinct operations would delay the requests and events of
//! all other rooms until all its renderings are done. A rendering that waits for the store has no turn meanwhile.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::room::RoomId;

/// Hands out turns to rooms.
#[derive(Clone)]
pub(in crate::graphql) struct RenderTurns {
    /// One permit for each rendering that may run at once.
    workers: Arc<Semaphore>,
    /// The rooms that have subscribers.
    rooms: Arc<Mutex<HashMap<RoomId, Weak<Semaphore>>>>,
}

/// The turns of one room, shared by all its subscribers.
#[derive(Clone)]
pub(in crate::graphql) struct RoomTurns {
    workers: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// A turn. The next one starts when it is dropped.
pub(in crate::graphql) struct Turn {
    _permits: [Option<OwnedSemaphorePermit>; 2],
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
            // Before the map grows, remove rooms without subscribers.
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
    /// Runs a rendering, which has a turn whenever it is polled, but not while it waits.
    pub(in crate::graphql) async fn run<T>(&self, rendering: impl Future<Output = T>) -> T {
        let mut rendering = pin!(rendering);
        loop {
            let turn = self.take().await;
            let polled = poll_fn(|cx| Poll::Ready(rendering.as_mut().poll(cx))).await;
            drop(turn);
            match polled {
                Poll::Ready(result) => return result,
                // The rendering has registered the waker of this task.
                Poll::Pending => wait_for_wake_up().await,
            }
        }
    }

    /// Waits for a turn, first within the room and then among the rooms. Both queues are first in, first out.
    pub(in crate::graphql) async fn take(&self) -> Turn {
        let at_once = (Arc::clone(&self.room).try_acquire_owned(), Arc::clone(&self.workers).try_acquire_owned());
        if let (Ok(room), Ok(worker)) = at_once {
            return Turn { _permits: [Some(worker), Some(room)] };
        }
        drop(at_once);
        // The semaphores are never closed.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let worker = Arc::clone(&self.workers).acquire_owned().await.ok();
        // The task woken by the end of a turn would run next, before tasks that have waited longer for a worker.
        tokio::task::yield_now().await;
        Turn { _permits: [worker, room] }
    }
}

/// Waits until the waker of this task is called, which something else has registered.
async fn wait_for_wake_up() {
    let mut was_polled = false;
    poll_fn(|_| if std::mem::replace(&mut was_polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_room_with_many_operations_has_one_turn_at_a_time_and_does_not_delay_other_rooms() {
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
    async fn a_rendering_that_waits_for_the_store_leaves_its_turn_to_others() {
        let turns = RenderTurns { workers: Arc::new(Semaphore::new(1)), rooms: Arc::default() }.of(RoomId::random());
        let (answer, store) = tokio::sync::oneshot::channel();
        let waiting = turns.clone();
        let waiting = tokio::spawn(async move { waiting.run(store).await });
        tokio::task::yield_now().await;
        assert_eq!(turns.run(async { 1 }).now_or_never(), Some(1));
        let turn = turns.take().await;
        answer.send(2).expect("a rendering that waits");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished(), "it goes on only in a turn");
        drop(turn);
        assert_eq!(waiting.await.expect("a rendering"), Ok(2));
    }

    #[tokio::test]
    async fn turns_of_a_room_are_kept_while_it_has_subscribers() {
        let turns = RenderTurns::new();
        let rooms: Vec<_> = (0..100).map(|_| RoomId::random()).collect();
        let first = turns.of(rooms[0]);
        rooms.iter().for_each(|room| drop(turns.of(*room)));
        assert!(Arc::ptr_eq(&first.room, &turns.of(rooms[0]).room));
        let kept = turns.rooms.lock().len();
        assert!(kept < 100, "{kept} rooms are kept");
    }
}
