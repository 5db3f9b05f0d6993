//! One after the other, for each client by itself.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;

/// How many of one client may wait for their turn or have it, and how many of all clients.
const PER_CLIENT: usize = 64;
const TOTAL: usize = 8_192;

/// Queues of clients. Nobody waits behind another client.
pub(super) struct Turns {
    places: Arc<ClientLimit>,
    queues: Arc<Queues>,
}

/// Only clients with somebody in their queue.
#[derive(Default)]
struct Queues(Mutex<HashMap<ClientKey, Queue>>);

struct Queue {
    /// Has one permit: the turn.
    turn: Arc<Semaphore>,
    places: usize,
}

/// It is somebody's turn. The next one's comes when this is dropped.
#[must_use = "the turn is over when it is dropped"]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a client's queue.
struct Place {
    queues: Arc<Queues>,
    client: ClientKey,
    _permit: ClientPermit,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { places: ClientLimit::shared(PER_CLIENT, TOTAL), queues: Arc::default() }
    }

    /// Waits for a turn of `client`, unless too many wait already. Giving up leaves the queue.
    pub(super) fn wait_for(&self, client: ClientKey) -> Result<impl Future<Output = Turn> + use<>, Exceeded> {
        let permit = self.places.acquire(Some(client), 1)?;
        let turn = self.queues.join(client);
        let place = Place { queues: Arc::clone(&self.queues), client, _permit: permit };
        Ok(async move {
            match turn.acquire_owned().await {
                Ok(turn) => Turn { _turn: turn, _place: place },
                // Nobody closes a queue.
                Err(_closed) => std::future::pending().await,
            }
        })
    }
}

impl Queues {
    fn join(&self, client: ClientKey) -> Arc<Semaphore> {
        let mut queues = self.lock();
        let new = || Queue { turn: Arc::new(Semaphore::new(1)), places: 0 };
        let queue = queues.entry(client).or_insert_with(new);
        queue.places += 1;
        Arc::clone(&queue.turn)
    }

    fn leave(&self, client: ClientKey) {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&client) else { return };
        queue.places -= 1;
        if queue.places == 0 {
            queues.remove(&client);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, Queue>> {
        self.0.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queues.leave(self.client);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::of(std::net::Ipv4Addr::from_bits(n).into(), 64)
    }

    #[tokio::test]
    async fn of_one_client_one_has_the_turn_and_no_other_client_waits_for_it() {
        let turns = Turns::new();
        let first = turns.wait_for(client(1)).expect("a place").await;
        for n in 2..100 {
            assert!(turns.wait_for(client(n)).expect("a place").now_or_never().is_some(), "client {n} waits");
        }
        let mut second = Box::pin(turns.wait_for(client(1)).expect("a place"));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().expect("a turn");
        drop(second);
        assert!(turns.queues.lock().is_empty() && turns.places.total_held() == 0);
    }

    #[tokio::test]
    async fn only_so_many_of_a_client_wait_and_whoever_gives_up_leaves_the_queue() {
        let turns = Turns::new();
        let mut waiting: Vec<_> = (0..PER_CLIENT).map(|_| turns.wait_for(client(1)).expect("a place")).collect();
        assert_eq!(turns.wait_for(client(1)).err(), Some(Exceeded::PerClient));
        assert!(turns.wait_for(client(2)).is_ok());
        waiting.pop();
        assert!(turns.wait_for(client(1)).is_ok());
        drop(waiting);
        assert!(turns.queues.lock().is_empty() && turns.places.total_held() == 0);
    }
}
