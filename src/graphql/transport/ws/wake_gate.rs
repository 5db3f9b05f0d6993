//! Asking only what has something to say. A socket's task is woken for every event of a room, and most of what else it
//! waits for is not ready then; to ask all of that each time would cost as much as the delivery.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Rings when one of those who were asked with it may be ready.
pub(super) struct Bell {
    ringer: Arc<Ringer>,
    waker: Waker,
}

struct Ringer {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    /// One that has rung, so that everybody is asked once.
    pub(super) fn new() -> Self {
        let ringer = Arc::new(Ringer { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&ringer)), ringer }
    }

    /// Asks with the bell's waker, if the bell has rung since it was last answered with `Pending`. It wakes `task`.
    pub(super) fn ask<T>(&self, task: &Context<'_>, ask: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // First, so that a bell that rings from here on is heard.
        self.ringer.task.register(task.waker());
        if !self.ringer.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let answer = ask(&mut Context::from_waker(&self.waker));
        if answer.is_ready() {
            // The others were perhaps not asked.
            self.ringer.rung.store(true, Ordering::Release);
        }
        answer
    }
}

/// A future that is asked only when it may be ready.
pub(super) async fn only_when_rung<T>(future: impl Future<Output = T>) -> T {
    let (bell, mut future) = (Bell::new(), pin!(future));
    poll_fn(|task| bell.ask(task, |task| future.as_mut().poll(task))).await
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    #[test]
    fn nobody_is_asked_again_before_the_bell_rings() {
        let (bell, waker) = (Bell::new(), noop_waker());
        let task = Context::from_waker(&waker);
        let mut asked = None;
        let mut ask = |answer: Poll<()>| {
            let mut was_asked = false;
            let heard = bell.ask(&task, |with| {
                (was_asked, asked) = (true, Some(with.waker().clone()));
                answer
            });
            (was_asked, heard.is_ready(), asked.clone())
        };
        let (true, true, _) = ask(Poll::Ready(())) else { panic!("at first everybody is asked") };
        let (true, false, Some(ring)) = ask(Poll::Pending) else { panic!("after an answer there may be another") };
        assert!(matches!(ask(Poll::Ready(())), (false, false, _)));
        ring.wake();
        assert!(matches!(ask(Poll::Ready(())), (true, true, _)));
    }
}
