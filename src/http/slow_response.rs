//! How an answer leaves: in pieces, so that a client that takes it drop by drop is noticed, and cut off. One that takes
//! nothing at all is given up by the operating system. Event streams are not meant; they look after themselves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// Bytes that are handed out at once.
const PIECE: usize = 16 * 1024;

/// Bytes a second that an answer must be taken with.
const RATE: u64 = 16 * 1024;

/// An answer that ends before it is whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer was taken too slowly")]
struct TooSlow;

/// Sees to it that an answer leaves within `grace` and the time that it takes at the least rate. Of an answer that is made
/// while it is sent, the time that making it takes does not count.
pub(super) fn bound(response: Response, grace: Duration) -> Response {
    let until = Instant::now() + grace;
    match response.body().size_hint().exact() {
        Some(size) if size > PIECE as u64 => {
            response.map(|body| Body::new(Departing::new(body, until + time_for(size), false)))
        }
        None if is_document(response.headers()) => response.map(|body| Body::new(Departing::new(body, until, true))),
        _ => response,
    }
}

/// How long a client may take for so many bytes.
fn time_for(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / RATE)
}

/// Whether the answer has an end that its client waits for. Of streams without end, none is plain JSON.
fn is_document(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

struct Departing {
    body: Body,
    /// Of the body, not handed out yet.
    rest: Bytes,
    until: Instant,
    /// Whether `until` moves with what is handed out, as the size was not known at first.
    is_growing: bool,
    /// Since when the next part of the body is being made.
    pending_since: Option<Instant>,
}

impl Departing {
    fn new(body: Body, until: Instant, is_growing: bool) -> Self {
        Self { body, rest: Bytes::new(), until, is_growing, pending_since: None }
    }

    /// Moves the end by the time that the body took to be made.
    fn poll_body(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        if polled.is_pending() {
            self.pending_since.get_or_insert_with(Instant::now);
        } else if let Some(since) = self.pending_since.take() {
            self.until += since.elapsed();
        }
        polled
    }
}

impl HttpBody for Departing {
    type Data = Bytes;
    type Error = axum::BoxError;

    /// Asked whenever there is room for more.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        while self.rest.is_empty() {
            match ready!(self.poll_body(task)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        let size = self.rest.len().min(PIECE);
        if self.is_growing {
            self.until += time_for(size as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(size) => SizeHint::with_exact(size + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// What is taken of an answer of this size by a client that takes a piece every so often.
    async fn taken(size: usize, pause: Duration) -> Result<Vec<u8>, axum::Error> {
        let mut body = bound(Response::new(Body::from(vec![7; size])), GRACE).into_body();
        assert_eq!(body.size_hint().exact(), Some(size as u64));
        let mut taken = Vec::new();
        while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            taken.extend(frame?.into_data().expect("bytes"));
            assert_eq!(body.size_hint().exact(), Some((size - taken.len()) as u64));
            tokio::time::sleep(pause).await;
        }
        assert!(body.is_end_stream());
        Ok(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_drop_by_drop_ends_before_it_is_whole() {
        for size in [1, PIECE, PIECE + 1, 10 * PIECE + 5] {
            assert_eq!(taken(size, Duration::from_secs(1)).await.expect("all of it").len(), size);
        }
        assert!(taken(10 * PIECE, Duration::from_secs(9)).await.is_err());
    }

    /// What is taken of a JSON document that is made in pieces, each of which takes so long to be made and to be taken.
    async fn taken_while_made(pieces: usize, making: Duration, pause: Duration) -> Result<usize, axum::Error> {
        let made = futures_util::stream::unfold(0, move |n| async move {
            tokio::time::sleep(making).await;
            (n < pieces).then_some((Ok::<_, axum::Error>(vec![7; PIECE]), n + 1))
        });
        let response = ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(made)).into_response();
        let mut body = bound(response, GRACE).into_body();
        let mut taken = 0;
        while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            taken += frame?.into_data().expect("bytes").len();
            tokio::time::sleep(pause).await;
        }
        Ok(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_that_is_made_while_it_is_sent_may_take_its_time_to_be_made_but_not_to_be_taken() {
        let (short, long) = (Duration::from_millis(900), Duration::from_secs(9));
        assert_eq!(taken_while_made(100, long, short).await.expect("all of it"), 100 * PIECE);
        assert!(taken_while_made(100, short, long).await.is_err());
    }
}
