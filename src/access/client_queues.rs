//! One queue per client: its attempts run one at a time, and never wait for those of another client.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;

/// Attempts that may wait or run at once, of one client and of all clients together.
const MAX_PER_CLIENT: usize = 64;
const MAX_TOTAL: usize = 8_192;

pub(super) struct ClientQueues {
    limit: Arc<ClientLimit>,
    queues: Arc<QueueMap>,
}

/// Only queues with an attempt in them.
type QueueMap = Mutex<HashMap<ClientKey, Queue>>;

#[derive(Default)]
struct Queue {
    /// Locked by the attempt whose turn it is.
    turn: Arc<tokio::sync::Mutex<()>>,
    length: usize,
}

/// Permission to run. The next attempt's turn comes when this is dropped.
#[must_use = "the turn ends when it is dropped"]
pub(super) struct Turn {
    _turn: OwnedMutexGuard<()>,
    _entry: QueueEntry,
}

/// Leaves the queue when dropped.
struct QueueEntry {
    queues: Arc<QueueMap>,
    client: ClientKey,
    _permit: ClientPermit,
}

impl ClientQueues {
    pub(super) fn new() -> Self {
        Self { limit: ClientLimit::shared(MAX_PER_CLIENT, MAX_TOTAL), queues: Arc::default() }
    }

    /// Waits for a turn of `client`. Fails at once if too many wait already. Dropping the future leaves the queue.
    pub(super) fn wait_for_turn(&self, client: ClientKey) -> Result<impl Future<Output = Turn> + use<>, Exceeded> {
        let permit = self.limit.acquire(Some(client), 1)?;
        let mut queues = self.queues.lock();
        let queue = queues.entry(client).or_default();
        queue.length += 1;
        let turn = Arc::clone(&queue.turn);
        let entry = QueueEntry { queues: Arc::clone(&self.queues), client, _permit: permit };
        Ok(async move { Turn { _turn: turn.lock_owned().await, _entry: entry } })
    }
}

impl Drop for QueueEntry {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&self.client) else { return };
        queue.length -= 1;
        if queue.length == 0 {
            queues.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::from_address(std::net::Ipv4Addr::from_bits(n).into(), 64)
    }

    #[tokio::test]
    async fn attempts_of_a_client_run_one_at_a_time_and_other_clients_do_not_wait() {
        let queues = ClientQueues::new();
        let first = queues.wait_for_turn(client(1)).expect("room in the queue").await;
        for n in 2..100 {
            assert!(queues.wait_for_turn(client(n)).expect("room in the queue").now_or_never().is_some(), "client {n}");
        }
        let mut second = Box::pin(queues.wait_for_turn(client(1)).expect("room in the queue"));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.now_or_never().expect("a turn");
        drop(second);
        assert!(queues.queues.lock().is_empty() && queues.limit.total_held() == 0);
    }

    #[tokio::test]
    async fn the_queue_of_a_client_is_bounded_and_a_dropped_attempt_leaves_it() {
        let queues = ClientQueues::new();
        let mut waiting: Vec<_> =
            (0..MAX_PER_CLIENT).map(|_| queues.wait_for_turn(client(1)).expect("room in the queue")).collect();
        assert_eq!(queues.wait_for_turn(client(1)).err(), Some(Exceeded::PerClient));
        assert!(queues.wait_for_turn(client(2)).is_ok());
        waiting.pop();
        assert!(queues.wait_for_turn(client(1)).is_ok());
        drop(waiting);
        assert!(queues.queues.lock().is_empty() && queues.limit.total_held() == 0);
    }
}
