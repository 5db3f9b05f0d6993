//! The events of a room as a stream.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::{Error, ErrorCode, RoomEvent};

/// Number of events that wait to be read.
const MAX_WAITING: usize = 10_000;

/// The events of a room, each once and in order. Ends with the room. Read it steadily: when 10,000 events wait, the stream ends with
/// the error [`ErrorCode::Lagged`] after them.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<RoomEvent>,
    /// Why the stream ends, unless that is the end of the room.
    error: Arc<OnceLock<Error>>,
    has_failed: bool,
}

impl Events {
    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<RoomEvent, Error>> {
        match self.receiver.recv().await {
            Some(event) => Some(Ok(event)),
            None => self.failure(),
        }
    }

    /// The error at the end, once.
    fn failure(&mut self) -> Option<Result<RoomEvent, Error>> {
        let error = self.error.get().filter(|_| !self.has_failed)?;
        self.has_failed = true;
        Some(Err(error.clone()))
    }
}

impl Stream for Events {
    type Item = Result<RoomEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|event| match event {
            Some(event) => Some(Ok(event)),
            None => self.failure(),
        })
    }
}

struct Sender {
    sender: mpsc::Sender<RoomEvent>,
    error: Arc<OnceLock<Error>>,
}

/// The streams of a room.
#[derive(Default)]
pub(crate) struct EventStreams(Vec<Sender>);

impl EventStreams {
    pub(crate) fn open(&mut self) -> Events {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let error = Arc::new(OnceLock::new());
        self.0.retain(|stream| !stream.sender.is_closed());
        self.0.push(Sender { sender, error: Arc::clone(&error) });
        Events { receiver, error, has_failed: false }
    }

    pub(crate) fn send(&mut self, event: &RoomEvent) {
        self.0.retain(|stream| match stream.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                let _ = stream.error.set(Error::of(ErrorCode::Lagged));
                false
            }
        });
    }

    /// Ends all streams, with this error if there is one.
    pub(crate) fn end(&mut self, error: Option<&Error>) {
        for stream in self.0.drain(..) {
            if let Some(error) = error {
                let _ = stream.error.set(error.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;

    #[test]
    fn a_stream_that_is_read_too_slowly_ends_with_an_error_after_its_events() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut streams = EventStreams::default();
        let (mut slow, mut other) = (streams.open(), streams.open());
        for number in 0..=MAX_WAITING {
            streams.send(&RoomEvent { cursor: number.to_string(), at: None, change: Change::RoomReloaded });
            if number == 0 {
                runtime.block_on(other.next()).expect("an event").expect("no error");
            }
        }
        streams.end(None);
        runtime.block_on(async {
            for (stream, first) in [(&mut slow, 0), (&mut other, 1)] {
                for number in first..first + MAX_WAITING {
                    let event = stream.next().await.expect("an event").expect("no error");
                    assert_eq!(event.cursor, number.to_string());
                }
            }
            let error = slow.next().await.expect("an error").expect_err("no event");
            assert_eq!(error.code, ErrorCode::Lagged);
            assert!(slow.next().await.is_none() && other.next().await.is_none());
        });
    }
}
