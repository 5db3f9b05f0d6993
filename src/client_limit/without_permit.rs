//! Releases the permit of a request while the request waits in a queue.
//!
//! A request holds a permit while it runs. While it queues behind others of its client, it does not need the permit, but
//! other clients do. The queue is many calls below the place where the permit is acquired, so the permit is kept in a
//! task-local variable.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::poll;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;

tokio::task_local! {
    static HELD: RefCell<Held>;
}

struct Held {
    limit: Arc<ClientLimit>,
    client: ClientKey,
    /// `None` while it is released.
    permit: Option<ClientPermit>,
}

impl ClientLimit {
    /// Runs `work` with a permit for 1, which [`without_permit`] can release for a while. Fails if the limit is reached.
    pub async fn run<T>(self: &Arc<Self>, client: ClientKey, work: impl Future<Output = T>) -> Result<T, Exceeded> {
        let permit = self.acquire(Some(client), 1)?;
        let held = Held { limit: Arc::clone(self), client, permit: Some(permit) };
        Ok(HELD.scope(RefCell::new(held), work).await)
    }
}

/// Awaits `wait` without the permit of the enclosing [`ClientLimit::run`], if any, and then acquires a permit again. Fails if
/// the limit is reached by then. Keeps the permit if `wait` is ready at once.
pub async fn without_permit<T>(wait: impl Future<Output = T>) -> Result<T, Exceeded> {
    let mut wait = pin!(wait);
    if let Poll::Ready(done) = poll!(wait.as_mut()) {
        return Ok(done);
    }
    // Drop the permit outside of the borrow.
    let permit = HELD.try_with(|held| held.borrow_mut().permit.take());
    drop(permit);
    let waited = wait.await;
    let taken = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if held.permit.is_none() {
            held.permit = Some(held.limit.acquire(Some(held.client), 1)?);
        }
        Ok(())
    });
    taken.unwrap_or(Ok(())).map(|()| waited)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn client(last_octet: u8) -> ClientKey {
        ClientKey::from_address([192, 0, 2, last_octet].into(), 64)
    }

    #[tokio::test]
    async fn a_waiting_request_leaves_its_permit_to_others_and_acquires_one_again() {
        let limit = ClientLimit::new(1, 1);
        let (go_on, signal) = oneshot::channel();
        let waiting = limit.run(client(1), async {
            let before = limit.total_held();
            let waited = without_permit(signal).await;
            (before, waited, limit.total_held())
        });
        let other = async {
            let other = limit.run(client(2), async { 7 }).await;
            go_on.send(()).expect("a waiting request");
            other
        };
        let (waited, other) = tokio::join!(waiting, other);
        assert_eq!(other, Ok(7), "with the permit of the waiting request");
        assert_eq!(waited, Ok((1, Ok(Ok(())), 1)));
        assert_eq!(limit.total_held(), 0);
    }

    #[tokio::test]
    async fn a_request_that_finds_no_permit_after_waiting_is_refused() {
        let limit = ClientLimit::new(1, 1);
        let work = async {
            let taken_meanwhile = async {
                tokio::task::yield_now().await;
                limit.acquire(None, 1)
            };
            without_permit(taken_meanwhile).await.map(drop)
        };
        assert_eq!(limit.run(client(1), work).await, Ok(Err(Exceeded::Total)));
    }
}
