//! How an answer leaves: in pieces, so that a client that takes it drop by drop is noticed, and cut off. One that takes
//! nothing at all is given up by the operating system. Streams are not meant; they look after themselves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
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

/// Sees to it that an answer whose size is known leaves within `grace` and the time that it takes at the least rate.
pub(super) fn bound(response: Response, grace: Duration) -> Response {
    match response.body().size_hint().exact() {
        Some(size) if size > PIECE as u64 => response.map(|body| {
            let until = Instant::now() + grace + Duration::from_secs(size / RATE);
            Body::new(Departing { body, rest: Bytes::new(), until })
        }),
        _ => response,
    }
}

struct Departing {
    body: Body,
    /// Of the body, not handed out yet.
    rest: Bytes,
    until: Instant,
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
            match ready!(Pin::new(&mut self.body).poll_frame(task)) {
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
}
