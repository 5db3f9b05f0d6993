//! Skips polling a group of futures until one of their wakers has fired.
//!
//! A socket's task wakes for every event of its room. Its other sources (incoming frames, the ping timer, the init timeout) are
//! almost never ready then, and polling them each time would cost as much as the delivery itself.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls what is behind it only after its waker has fired.
pub(super) struct WakeGate {
    signal: Arc<Signal>,
    /// Handed to the gated futures; fires `signal`.
    waker: Waker,
}

struct Signal {
    fired: AtomicBool,
    task: AtomicWaker,
}

impl WakeGate {
    /// Starts fired, so that the first call polls.
    pub(super) fn new() -> Self {
        let signal = Arc::new(Signal { fired: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&signal)), signal }
    }

    /// Calls `poll` if the gate's waker has fired since the last call that returned `Pending`; otherwise returns `Pending`.
    /// Wakes `cx` when it fires.
    pub(super) fn poll<T>(&self, cx: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // Register first: a wake-up between the check and the registration would be lost.
        self.signal.task.register(cx.waker());
        if !self.signal.fired.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let result = poll(&mut Context::from_waker(&self.waker));
        if result.is_ready() {
            // `poll` may have returned before it reached the other futures; poll them next time.
            self.signal.fired.store(true, Ordering::Release);
        }
        result
    }
}

/// Wraps a future so that it is polled only after its waker has fired.
pub(super) async fn gated<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let gate = WakeGate::new();
    poll_fn(|cx| gate.poll(cx, |cx| future.as_mut().poll(cx))).await
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.fired.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    #[test]
    fn polls_again_only_after_the_waker_fired() {
        let (gate, waker) = (WakeGate::new(), noop_waker());
        let cx = Context::from_waker(&waker);
        let mut inner_waker = None;
        let mut poll = |result: Poll<()>| {
            let mut was_polled = false;
            let returned = gate.poll(&cx, |inner| {
                (was_polled, inner_waker) = (true, Some(inner.waker().clone()));
                result
            });
            (was_polled, returned.is_ready(), inner_waker.clone())
        };
        let (true, true, _) = poll(Poll::Ready(())) else { panic!("the first call polls") };
        let (true, false, Some(inner_waker)) = poll(Poll::Pending) else { panic!("polls again after `Ready`") };
        assert!(matches!(poll(Poll::Ready(())), (false, false, _)));
        inner_waker.wake();
        assert!(matches!(poll(Poll::Ready(())), (true, true, _)));
    }
}
