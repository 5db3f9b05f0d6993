//! A minimum rate for responses: sends bodies in chunks, and closes the connection of a client that reads them too slowly. The
//! operating system closes connections of clients that read nothing at all. Event streams have their own time limits.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// Bytes handed to hyper at a time.
const CHUNK: usize = 16 * 1024;

/// The minimum rate at which a client must read, in bytes per second.
const MIN_RATE: u64 = 16 * 1024;

/// Ends a body before it is complete.
#[derive(Debug, thiserror::Error)]
#[error("the client read the response too slowly")]
struct TooSlow;

/// Fails the body unless the client reads it at the minimum rate, with `grace` added once. If the body is generated while it is
/// sent, the time it takes to generate does not count.
pub(super) fn enforce_min_rate(response: Response, grace: Duration) -> Response {
    let deadline = Instant::now() + grace;
    match response.body().size_hint().exact() {
        Some(size) if size > CHUNK as u64 => {
            response.map(|body| Body::new(RateCheckedBody::new(body, deadline + time_for(size), false)))
        }
        None if is_json(response.headers()) => {
            response.map(|body| Body::new(RateCheckedBody::new(body, deadline, true)))
        }
        _ => response,
    }
}

/// How long a client may take to read this many bytes.
fn time_for(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / MIN_RATE)
}

/// Whether the body is a JSON document, which has an end. No event stream has this media type.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// A body that fails once its deadline has passed.
struct RateCheckedBody {
    body: Body,
    /// Received from `body`, not yet handed out.
    buffered: Bytes,
    deadline: Instant,
    /// Whether each chunk moves the deadline, because the total size was not known at the start.
    extends_deadline: bool,
    /// Start of the wait for the next frame of `body`.
    waiting_since: Option<Instant>,
}

impl RateCheckedBody {
    fn new(body: Body, deadline: Instant, extends_deadline: bool) -> Self {
        Self { body, buffered: Bytes::new(), deadline, extends_deadline, waiting_since: None }
    }

    /// Polls the inner body, and moves the deadline by the time it took to make the frame.
    fn poll_body(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        if polled.is_pending() {
            self.waiting_since.get_or_insert_with(Instant::now);
        } else if let Some(since) = self.waiting_since.take() {
            self.deadline += since.elapsed();
        }
        polled
    }
}

impl HttpBody for RateCheckedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    /// Hyper calls this whenever its write buffer has room, so the time between calls is the time that the client takes to read.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        while self.buffered.is_empty() {
            match ready!(self.poll_body(task)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffered = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        if Instant::now() > self.deadline {
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        let size = self.buffered.len().min(CHUNK);
        if self.extends_deadline {
            self.deadline += time_for(size as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(self.buffered.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.buffered.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(size) => SizeHint::with_exact(size + self.buffered.len() as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// Reads a response of this size with a pause after each chunk.
    async fn read_slowly(size: usize, pause: Duration) -> Result<Vec<u8>, axum::Error> {
        let mut body = enforce_min_rate(Response::new(Body::from(vec![7; size])), GRACE).into_body();
        assert_eq!(body.size_hint().exact(), Some(size as u64));
        let mut read = Vec::new();
        while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            read.extend(frame?.into_data().expect("bytes"));
            assert_eq!(body.size_hint().exact(), Some((size - read.len()) as u64));
            tokio::time::sleep(pause).await;
        }
        assert!(body.is_end_stream());
        Ok(read)
    }

    #[tokio::test(start_paused = true)]
    async fn response_that_is_read_too_slowly_is_cut_off() {
        for size in [1, CHUNK, CHUNK + 1, 10 * CHUNK + 5] {
            assert_eq!(read_slowly(size, Duration::from_secs(1)).await.expect("the whole body").len(), size);
        }
        assert!(read_slowly(10 * CHUNK, Duration::from_secs(9)).await.is_err());
    }

    /// Reads a JSON document of so many chunks. `generation` is the time to generate a chunk, `pause` the time to read it.
    async fn read_generated(chunks: usize, generation: Duration, pause: Duration) -> Result<usize, axum::Error> {
        let generated = futures_util::stream::unfold(0, move |n| async move {
            tokio::time::sleep(generation).await;
            (n < chunks).then_some((Ok::<_, axum::Error>(vec![7; CHUNK]), n + 1))
        });
        let response = ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(generated)).into_response();
        let mut body = enforce_min_rate(response, GRACE).into_body();
        let mut read = 0;
        while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            read += frame?.into_data().expect("bytes").len();
            tokio::time::sleep(pause).await;
        }
        Ok(read)
    }

    #[tokio::test(start_paused = true)]
    async fn time_to_generate_a_response_does_not_count_as_slow_reading() {
        let (short, long) = (Duration::from_millis(900), Duration::from_secs(9));
        assert_eq!(read_generated(100, long, short).await.expect("the whole body"), 100 * CHUNK);
        assert!(read_generated(100, short, long).await.is_err());
    }
}
