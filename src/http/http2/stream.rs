//! The streams of an HTTP/2 connection: each runs in a task of its own, counts towards the limits on connections, and ends when
//! its client accepts no bytes of it for too long.
//!
//! Hyper does not poll a body while the client accepts no bytes of the stream, and forgets a stream once it has the last bytes of
//! it. So the bytes that wait are counted here, and a stream ends only when its last bytes are written.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::task::AtomicWaker;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::counted_connection::UpgradeGuard;
use crate::domain::client_key::ClientKey;
use crate::http::http2::open_streams::OpenStreams;
use crate::metrics::{Gauge, GaugeGuard};

/// Bytes of one stream that may wait to be written.
pub(super) const UNSENT_MAX: usize = 16 * 1024;

tokio::task_local! {
    static CURRENT: Arc<Stream>;
}

/// Starts the tasks of a connection's streams.
#[derive(Clone)]
pub(super) struct StreamTasks {
    pub(super) limit: Arc<ClientLimit>,
    pub(super) client: Option<ClientKey>,
    pub(super) open: Gauge,
    pub(super) streams: Arc<OpenStreams>,
    pub(super) write_timeout: Duration,
    /// Cancelled when the connection ends.
    pub(super) end: CancellationToken,
}

/// One stream. It counts until its last task has ended.
pub(super) struct Stream {
    permit: Result<ClientPermit, Exceeded>,
    _open: GaugeGuard,
    streams: Arc<OpenStreams>,
    unsent: Mutex<Unsent>,
    /// Woken when bytes are written.
    body: AtomicWaker,
    /// Cancelled when nothing uses the upgraded stream any more.
    released: CancellationToken,
}

/// Bytes that hyper has accepted and not written yet.
struct Unsent {
    bytes: usize,
    /// When bytes were last written, or the first of these were accepted.
    since: Instant,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    /// Hyper calls this for each stream, and in the task of a stream for the writing half of its upgraded connection.
    fn execute(&self, task: F) {
        let (end, write_timeout) = (self.end.clone(), self.write_timeout);
        match Stream::current() {
            None => {
                let stream = Arc::new(Stream::new(self));
                let limited = CURRENT.scope(Arc::clone(&stream), async move {
                    stream.end_if_stalled(task, write_timeout).await;
                });
                tokio::spawn(async move { end.run_until_cancelled(limited).await });
            }
            Some(stream) => {
                let limited = async move {
                    let released = async {
                        stream.released.cancelled().await;
                        sleep(write_timeout).await;
                    };
                    tokio::select! { () = task => {}, () = released => {} }
                };
                tokio::spawn(async move { end.run_until_cancelled(limited).await });
            }
        }
    }
}

impl Stream {
    fn new(tasks: &StreamTasks) -> Self {
        tasks.streams.open();
        Self {
            permit: tasks.limit.acquire(tasks.client, 1),
            _open: GaugeGuard::new(&tasks.open),
            streams: Arc::clone(&tasks.streams),
            unsent: Mutex::new(Unsent { bytes: 0, since: Instant::now() }),
            body: AtomicWaker::new(),
            released: CancellationToken::new(),
        }
    }

    /// The stream whose task this is.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// The limit that this stream exceeds.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.permit.as_ref().err().copied()
    }

    /// A guard for whoever uses the connection that the stream is upgraded to.
    pub(super) fn upgrade_guard(&self) -> UpgradeGuard {
        UpgradeGuard::new(self.released.clone())
    }

    /// Runs `task` until no bytes of the stream could be written for too long. Dropping the task resets the stream.
    async fn end_if_stalled(&self, task: impl Future<Output = ()>, write_timeout: Duration) {
        let mut task = pin!(task);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            loop {
                let Some(since) = self.waiting_since() else {
                    timer = None;
                    return Poll::Pending;
                };
                if since.elapsed() >= write_timeout {
                    tracing::debug!("a stream was reset: its client accepts no bytes of it");
                    return Poll::Ready(());
                }
                let running = timer.get_or_insert_with(|| Box::pin(sleep_until(since + write_timeout)));
                ready!(running.as_mut().poll(cx));
                timer = None;
            }
        })
        .await;
    }

    /// Since when bytes wait to be written; `None` if there are none.
    fn waiting_since(&self) -> Option<Instant> {
        let unsent = self.unsent.lock();
        (unsent.bytes > 0).then_some(unsent.since)
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent.lock().bytes
    }

    /// Counts bytes until they are written.
    fn count(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let mut unsent = self.unsent.lock();
        if unsent.bytes == 0 {
            unsent.since = Instant::now();
        }
        unsent.bytes += bytes.len();
        Bytes::from_owner(UnsentBytes { bytes, stream: Arc::clone(self) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.end();
    }
}

/// Bytes to be written. Hyper drops them once they are written.
struct UnsentBytes {
    bytes: Bytes,
    stream: Arc<Stream>,
}

impl AsRef<[u8]> for UnsentBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for UnsentBytes {
    fn drop(&mut self) {
        let mut unsent = self.stream.unsent.lock();
        *unsent = Unsent { bytes: unsent.bytes - self.bytes.len(), since: Instant::now() };
        drop(unsent);
        self.stream.body.wake();
    }
}

/// The body of a response. At most [`UNSENT_MAX`] bytes of it wait to be written, and it ends when all of them are.
pub(super) struct StreamBody {
    body: Body,
    stream: Arc<Stream>,
    /// Received from `body`, not yet handed out.
    buffered: Bytes,
    /// Whether `body` has ended.
    is_complete: bool,
}

impl StreamBody {
    pub(super) fn new(body: Body, stream: Arc<Stream>) -> Self {
        Self { body, stream, buffered: Bytes::new(), is_complete: false }
    }

    /// Waits until at most `limit` bytes wait to be written.
    fn poll_unsent(&self, limit: usize, cx: &Context<'_>) -> Poll<()> {
        // Register first: a wake-up between the check and the registration would be lost.
        self.stream.body.register(cx.waker());
        if self.stream.unsent_bytes() <= limit { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.buffered.is_empty() {
            if self.is_complete {
                return self.poll_unsent(0, cx).map(|()| None);
            }
            ready!(self.poll_unsent(UNSENT_MAX - 1, cx));
            match ready!(Pin::new(&mut self.body).poll_frame(cx)?) {
                Some(frame) => match frame.into_data() {
                    Ok(data) => self.buffered = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                None => self.is_complete = true,
            }
        }
        ready!(self.poll_unsent(UNSENT_MAX - 1, cx));
        let size = self.buffered.len().min(UNSENT_MAX - self.stream.unsent_bytes());
        let part = self.buffered.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(self.stream.count(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.buffered.is_empty() && self.body.is_end_stream() && self.stream.unsent_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(size) => SizeHint::with_exact(size + self.buffered.len() as u64),
            None => SizeHint::default(),
        }
    }
}
