//! Hands over one message at a time between a socket's loop and the protocol library.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};
use parking_lot::Mutex;

/// Room for one message. Both sides run in one task, and the loop polls the library after each change, so nothing is woken.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Message>>>);

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_none()
    }

    pub(super) fn put(&self, message: Message) {
        *self.0.lock() = Some(message);
    }

    pub(super) fn take(&self) -> Option<Message> {
        self.0.lock().take()
    }

    fn poll_empty(&self) -> Poll<Result<(), Infallible>> {
        if self.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// The input of the library.
impl Stream for Slot {
    type Item = Result<Message, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.take().map_or(Poll::Pending, |message| Poll::Ready(Some(Ok(message))))
    }
}

/// The output of the library. A flush is ready once the message is taken, so the library makes the next one only then.
impl Sink<Message> for Slot {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.poll_empty()
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Infallible> {
        self.put(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.poll_empty()
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.poll_empty()
    }
}
