//! A bounded broadcast of a room's feed to its live readers.
//!
//! It holds only the items that some reader has not received yet, up to a limit. Most rooms are quiet, and tokio's broadcast
//! would reserve memory for the maximum number of items in each.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

/// Maximum number of unread items. A reader that falls farther behind loses the oldest.
pub(super) const CAPACITY: usize = 64;

/// Sends to all receivers. Dropping it closes the broadcast.
pub(super) struct Sender<T>(Arc<Mutex<State<T>>>);

/// Receives what is sent after its creation.
pub(super) struct Receiver<T> {
    state: Arc<Mutex<State<T>>>,
    /// The number of the next item to receive.
    next: u64,
    /// Index of its registered waker, while it waits.
    waker: Option<usize>,
}

/// Why nothing is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiveError {
    /// Items were lost. The receiver skips all that were sent so far.
    Lagged,
    /// The sender is gone, and everything was received.
    Closed,
}

struct State<T> {
    /// Oldest first. Some receiver has not received the first yet.
    items: VecDeque<Item<T>>,
    /// The number of the first item; items are numbered as they are sent.
    first: u64,
    receivers: usize,
    /// Wakers of receivers that wait for the next item.
    wakers: Slab<Waker>,
    is_closed: bool,
}

struct Item<T> {
    item: T,
    /// Receivers that have not received it yet.
    unread: usize,
}

impl<T: Clone> Sender<T> {
    pub(super) fn new() -> Self {
        let (items, wakers) = (VecDeque::new(), Slab::new());
        Self(Arc::new(Mutex::new(State { items, first: 0, receivers: 0, wakers, is_closed: false })))
    }

    pub(super) fn subscribe(&self) -> Receiver<T> {
        let mut state = self.0.lock();
        state.receivers += 1;
        Receiver { next: state.end(), state: Arc::clone(&self.0), waker: None }
    }

    /// Sends an item to all current receivers.
    pub(super) fn send(&self, item: T) {
        let mut state = self.0.lock();
        let unread = state.receivers;
        if unread == 0 {
            return;
        }
        if state.items.len() == CAPACITY {
            state.items.pop_front();
            state.first += 1;
        }
        state.items.push_back(Item { item, unread });
        let mut wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.drain().for_each(Waker::wake);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let mut wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.drain().for_each(Waker::wake);
    }
}

impl<T: Clone> Receiver<T> {
    /// The next item. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<T, ReceiveError> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ReceiveError>> {
        let mut state = self.state.lock();
        if self.next < state.end() {
            // The send removed the waker.
            self.waker = None;
            let received = state.receive(self.next).ok_or(ReceiveError::Lagged);
            self.next = if received.is_ok() { self.next + 1 } else { state.skip(self.next) };
            return Poll::Ready(received);
        }
        if state.is_closed {
            return Poll::Ready(Err(ReceiveError::Closed));
        }
        match self.waker {
            Some(index) => state.wakers[index].clone_from(cx.waker()),
            None => self.waker = Some(state.wakers.insert(cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.receivers -= 1;
        state.skip(self.next);
        // Otherwise a send, or the end of the sender, has removed the waker.
        if self.next == state.end()
            && !state.is_closed
            && let Some(index) = self.waker
        {
            state.wakers.try_remove(index);
        }
    }
}

impl<T> State<T> {
    /// The number of the next item to be sent.
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Marks all items from number `next` on as received by one receiver. Returns the number after the last.
    fn skip(&mut self, next: u64) -> u64 {
        let known = next.saturating_sub(self.first) as usize;
        self.items.iter_mut().skip(known).for_each(|item| item.unread -= 1);
        self.drop_read();
        self.end()
    }

    /// Drops items that every receiver has received.
    fn drop_read(&mut self) {
        while self.items.front().is_some_and(|item| item.unread == 0) {
            self.items.pop_front();
            self.first += 1;
        }
    }
}

impl<T: Clone> State<T> {
    /// Item number `number` for one receiver; `None` if it was lost.
    fn receive(&mut self, number: u64) -> Option<T> {
        let index = number.checked_sub(self.first)? as usize;
        let entry = self.items.get_mut(index)?;
        entry.unread -= 1;
        let item = entry.item.clone();
        self.drop_read();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn every_receiver_gets_what_is_sent_after_it_joined_and_nothing_is_held_longer() {
        let sender = Sender::new();
        sender.send(0);
        let mut first = sender.subscribe();
        sender.send(1);
        let mut second = sender.subscribe();
        sender.send(2);
        assert_eq!([1, 2].map(|_| first.receive().now_or_never()), [Some(Ok(1)), Some(Ok(2))]);
        assert_eq!(first.receive().now_or_never(), None);
        assert_eq!(second.receive().now_or_never(), Some(Ok(2)));
        assert!(sender.0.lock().items.is_empty());
        sender.send(3);
        drop(second);
        assert_eq!(first.receive().now_or_never(), Some(Ok(3)));
        assert!(sender.0.lock().items.is_empty(), "a receiver that left holds nothing");
        sender.send(4);
        drop(sender);
        assert_eq!(first.receive().now_or_never(), Some(Ok(4)));
        assert_eq!(first.receive().now_or_never(), Some(Err(ReceiveError::Closed)));
    }

    #[test]
    fn a_slow_receiver_loses_items_and_goes_on_after_the_last() {
        let sender = Sender::new();
        let (mut slow, mut fast) = (sender.subscribe(), sender.subscribe());
        for number in 0..=CAPACITY {
            sender.send(number);
            assert_eq!(fast.receive().now_or_never(), Some(Ok(number)));
        }
        assert_eq!(sender.0.lock().items.len(), CAPACITY);
        assert_eq!(slow.receive().now_or_never(), Some(Err(ReceiveError::Lagged)));
        assert!(sender.0.lock().items.is_empty());
        sender.send(100);
        assert_eq!(slow.receive().now_or_never(), Some(Ok(100)));
    }

    #[tokio::test]
    async fn waiting_receivers_are_woken_and_leave_no_waker_behind() {
        let sender = Sender::new();
        let mut receivers: Vec<_> = (0..3).map(|_| sender.subscribe()).collect();
        for receiver in &mut receivers {
            assert_eq!(receiver.receive().now_or_never(), None);
            assert_eq!(receiver.receive().now_or_never(), None);
        }
        assert_eq!(sender.0.lock().wakers.len(), 3);
        receivers.pop();
        assert_eq!(sender.0.lock().wakers.len(), 2);
        let waiting = tokio::spawn(async move {
            let mut numbers = Vec::new();
            for mut receiver in receivers {
                numbers.push(receiver.receive().await);
            }
            numbers
        });
        tokio::task::yield_now().await;
        sender.send(7);
        assert_eq!(waiting.await.expect("a task"), [Ok(7), Ok(7)]);
        assert!(sender.0.lock().wakers.is_empty());
    }
}
