//! Giving a permit back while its holder waits for something that is not the limited resource.
//!
//! A request holds a permit while it is under way. Some requests queue behind others of their client; a permit that is held
//! meanwhile is one that nobody uses and others lack. The queue is far below the place where the permit is taken, so the
//! permit is in a task-local variable in between.

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
    /// `None` while it is given back.
    permit: Option<ClientPermit>,
}

impl ClientLimit {
    /// Runs `work` while one of the limit is held for `client`, except while a part of it is [`without_permit`]. Refuses it if
    /// the limit is used up.
    pub async fn run<T>(self: &Arc<Self>, client: ClientKey, work: impl Future<Output = T>) -> Result<T, Exceeded> {
        let permit = self.acquire(Some(client), 1)?;
        let held = Held { limit: Arc::clone(self), client, permit: Some(permit) };
        Ok(HELD.scope(RefCell::new(held), work).await)
    }
}

/// Waits while the permit of the current [`ClientLimit::run`], if any, is given back. Fails if there is none to be had
/// afterwards. What need not be waited for changes nothing.
pub async fn without_permit<T>(wait: impl Future<Output = T>) -> Result<T, Exceeded> {
    let mut wait = pin!(wait);
    if let Poll::Ready(done) = poll!(wait.as_mut()) {
        return Ok(done);
    }
    // Dropped outside of the cell's borrow.
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
        ClientKey::of([192, 0, 2, last_octet].into(), 64)
    }

    #[tokio::test]
    async fn whoever_waits_leaves_the_permit_to_others_and_takes_one_again() {
        let limit = ClientLimit::new(1, 1);
        let (go_on, signal) = oneshot::channel();
        let waiting = limit.run(client(1), async {
            let before = limit.total_held();
            let waited = without_permit(signal).await;
            (before, waited, limit.total_held())
        });
        let other = async {
            let other = limit.run(client(2), async { 7 }).await;
            go_on.send(()).expect("somebody who waits");
            other
        };
        let (waited, other) = tokio::join!(waiting, other);
        assert_eq!(other, Ok(7), "with the permit of whoever waits");
        assert_eq!(waited, Ok((1, Ok(Ok(())), 1)));
        assert_eq!(limit.total_held(), 0);
    }

    #[tokio::test]
    async fn whoever_finds_no_permit_after_waiting_is_refused() {
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

    #[tokio::test]
    async fn waiting_without_a_permit_is_just_waiting() {
        assert_eq!(without_permit(async { 7 }).await, Ok(7));
    }
}
