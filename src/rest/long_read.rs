//! Long responses that are read from the store page by page while the client receives them, so a list of any length needs only
//! the memory of one page.
//!
//! The next page is read once the client has received the previous one. Between pages no transaction, lock or store connection is
//! held. `client_limit` limits the number of such responses, and `http` the minimum rate at which clients must read them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde::Serialize;
use tokio::time::Instant;

use crate::chat::ChatError;
use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::rest::envelope::Envelope;

/// Maximum size of a response that is buffered before it is sent, in bytes. A buffered response has a `content-length`, and a
/// status that reflects whether all of it could be read.
const BUFFERED_MAX: usize = 64 * 1024;

/// Minimum size of the chunks that are sent, in bytes.
const CHUNK: usize = 16 * 1024;

/// Retries of a page when the store is unavailable, and the delay before the first one. An aborted response costs the client more
/// than a short wait.
const RETRIES: u32 = 3;
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Reads a page, with retries while the store is unavailable.
pub(super) async fn read_page_with_retry<T, F>(read: impl Fn() -> F) -> Result<T, ChatError>
where
    F: Future<Output = Result<T, ChatError>>,
{
    for retry in 0..RETRIES {
        match read().await {
            Err(ChatError::Unavailable(_)) => tokio::time::sleep(RETRY_DELAY * 2_u32.pow(retry)).await,
            result => return result,
        }
    }
    read().await
}

/// Limits long responses: their number per client and in total, and the time each may take.
#[derive(Clone)]
pub(super) struct LongReads {
    limit: Arc<ClientLimit>,
    timeout: Duration,
}

impl LongReads {
    pub(super) fn new(per_client: usize, total: usize, timeout: Duration) -> Self {
        Self { limit: ClientLimit::shared(per_client, total), timeout }
    }

    /// Starts one more response for `client`, or returns the limit that is reached.
    pub(super) fn start(&self, client: ClientKey) -> Result<LongRead, Exceeded> {
        let permit = self.limit.acquire(Some(client), 1)?;
        Ok(LongRead { permit, deadline: Instant::now() + self.timeout })
    }
}

/// One long response, which counts until it is dropped.
pub(super) struct LongRead {
    permit: ClientPermit,
    deadline: Instant,
}

impl LongRead {
    /// Responds with the JSON document that consists of `chunks`. An error in the first [`BUFFERED_MAX`] bytes is returned. A later
    /// one aborts the connection, so that the client cannot mistake the partial document for the whole.
    pub(super) async fn send(
        self,
        chunks: impl Stream<Item = Result<Bytes, ChatError>> + Send + 'static,
    ) -> Result<Response, ChatError> {
        let mut chunks = Box::pin(chunks);
        let mut buffered = Vec::new();
        while let Some(chunk) = chunks.next().await {
            buffered.extend_from_slice(&chunk?);
            if buffered.len() > BUFFERED_MAX {
                let rest = chunks.inspect(|chunk| {
                    if let Err(error) = chunk {
                        tracing::warn!(
                            error = error.fault(),
                            reason = error.code().as_str(),
                            "a legacy response was aborted"
                        );
                    }
                });
                let chunks = stream::once(async { Ok(Bytes::from(buffered)) }).chain(rest);
                return Ok(self.stream(Body::from_stream(chunks)));
            }
        }
        // Everything has been read, so the permit is released before the response is sent.
        Ok(([(header::CONTENT_TYPE, "application/json")], buffered).into_response())
    }

    fn stream(self, body: Body) -> Response {
        let body = Body::new(LongBody { body, deadline: self.deadline, _permit: self.permit });
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// The body of a long response, which fails after its deadline and holds the permit until it is dropped.
struct LongBody {
    body: Body,
    deadline: Instant,
    _permit: ClientPermit,
}

/// The deadline of a long response has passed.
#[derive(Debug, thiserror::Error)]
#[error("the response was not received in time")]
struct DeadlineExceeded;

impl HttpBody for LongBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if Instant::now() > self.deadline {
            tracing::debug!("a legacy response was not received in time");
            return Poll::Ready(Some(Err(DeadlineExceeded.into())));
        }
        Pin::new(&mut self.body).poll_frame(task).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Writes an envelope whose data contains lists or one map, item by item.
pub(super) struct EnvelopeWriter {
    /// The JSON between the lists, in order.
    parts: std::vec::IntoIter<String>,
    brackets: [u8; 2],
    written: Vec<u8>,
    /// Whether the open list has an item.
    has_items: bool,
}

impl EnvelopeWriter {
    /// Starts with `envelope`, whose lists or map are still empty: `empty` is `[]` or `{}`.
    pub(super) fn new<T: Serialize>(envelope: &Envelope<'_, T>, empty: &str) -> Result<Self, ChatError> {
        let json = serde_json::to_string(envelope).map_err(internal)?;
        let parts: Vec<_> = json.split(empty).map(str::to_owned).collect();
        let brackets = if empty == "{}" { *b"{}" } else { *b"[]" };
        Ok(Self { parts: parts.into_iter(), brackets, written: Vec::new(), has_items: false })
    }

    /// Opens the next list.
    pub(super) fn open(&mut self) {
        self.next_part();
        self.written.push(self.brackets[0]);
        self.has_items = false;
    }

    /// Adds an item to the open list.
    pub(super) fn item(&mut self, value: &impl Serialize) -> Result<(), ChatError> {
        if std::mem::replace(&mut self.has_items, true) {
            self.written.push(b',');
        }
        self.value(value)
    }

    /// Adds an entry to the open map.
    pub(super) fn entry(&mut self, key: &str, value: &impl Serialize) -> Result<(), ChatError> {
        self.item(&key)?;
        self.written.push(b':');
        self.value(value)
    }

    /// Closes the open list.
    pub(super) fn close(&mut self) {
        self.written.push(self.brackets[1]);
    }

    /// Takes what has been written, if it is large enough for a chunk.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        (self.written.len() >= CHUNK).then(|| std::mem::take(&mut self.written).into())
    }

    /// Ends the envelope. Returns the last chunk.
    pub(super) fn finish(mut self) -> Bytes {
        self.next_part();
        self.written.into()
    }

    fn next_part(&mut self) {
        self.written.extend(self.parts.next().unwrap_or_default().into_bytes());
    }

    fn value(&mut self, value: &impl Serialize) -> Result<(), ChatError> {
        serde_json::to_writer(&mut self.written, value).map_err(internal)
    }
}

fn internal(error: serde_json::Error) -> ChatError {
    ChatError::Internal(error.into())
}
