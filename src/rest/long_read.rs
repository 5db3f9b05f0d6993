//! Answers that are read from the store page by page while the client takes them, so that a list of any length takes the
//! memory of one page.
//!
//! The next page is read only when the client has taken the one before. Between pages nothing is held: no transaction, no lock,
//! no connection to the store. What waits for the client is bounded by `client_limit`, in the number of such answers, and by
//! `http`, in the rate at which each must be taken.

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

/// Bytes of the largest answer that is put together before any of it is sent. Such an answer has a length, and a status that
/// says whether all of it could be read.
const WHOLE_MAX: usize = 64 * 1024;

/// Bytes after which what was written of a page is handed to the client.
const CHUNK: usize = 16 * 1024;

/// How often a page is read again that the store could not give at once, and for how long the first of these waits. Much is lost
/// when an answer breaks off, and nothing by waiting a little.
const RETRIES: u32 = 3;
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Reads a page, again if the store is unavailable for a moment.
pub(super) async fn read_page<T, F>(read: impl Fn() -> F) -> Result<T, ChatError>
where
    F: Future<Output = Result<T, ChatError>>,
{
    for retry in 0..RETRIES {
        match read().await {
            Err(ChatError::Unavailable(_)) => tokio::time::sleep(RETRY_DELAY * 2_u32.pow(retry)).await,
            outcome => return outcome,
        }
    }
    read().await
}

/// Admits long answers: so many at once per client and in total, each for a limited time.
#[derive(Clone)]
pub(super) struct LongReads {
    limit: Arc<ClientLimit>,
    timeout: Duration,
}

impl LongReads {
    pub(super) fn new(per_client: usize, total: usize, timeout: Duration) -> Self {
        Self { limit: ClientLimit::shared(per_client, total), timeout }
    }

    /// Admits one more answer for `client`, or says which limit is reached.
    pub(super) fn admit(&self, client: ClientKey) -> Result<LongRead, Exceeded> {
        let permit = self.limit.acquire(Some(client), 1)?;
        Ok(LongRead { permit, deadline: Instant::now() + self.timeout })
    }
}

/// One admitted answer.
pub(super) struct LongRead {
    permit: ClientPermit,
    deadline: Instant,
}

impl LongRead {
    /// Answers with the JSON document that `chunks` are. A failure within the first [`WHOLE_MAX`] bytes is returned; one behind
    /// them breaks the connection off, so that the client does not take the beginning for the whole.
    pub(super) async fn send(
        self,
        chunks: impl Stream<Item = Result<Bytes, ChatError>> + Send + 'static,
    ) -> Result<Response, ChatError> {
        let mut chunks = Box::pin(chunks);
        let mut beginning = Vec::new();
        while let Some(chunk) = chunks.next().await {
            beginning.extend_from_slice(&chunk?);
            if beginning.len() > WHOLE_MAX {
                let rest = chunks.inspect(|chunk| {
                    if let Err(error) = chunk {
                        tracing::warn!(
                            error = error.fault(),
                            reason = error.code().as_str(),
                            "a legacy answer was broken off"
                        );
                    }
                });
                let chunks = stream::once(async { Ok(Bytes::from(beginning)) }).chain(rest);
                return Ok(self.respond(Body::from_stream(chunks)));
            }
        }
        // All of it is read, so it is one of those at once no longer.
        Ok(([(header::CONTENT_TYPE, "application/json")], beginning).into_response())
    }

    fn respond(self, body: Body) -> Response {
        let body = Body::new(LongBody { body, deadline: self.deadline, _permit: self.permit });
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// The body of a long answer, which counts as one until it is dropped.
struct LongBody {
    body: Body,
    deadline: Instant,
    _permit: ClientPermit,
}

/// An answer that was not taken before its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not taken in time")]
struct Overdue;

impl HttpBody for LongBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if Instant::now() > self.deadline {
            tracing::debug!("a legacy answer was not taken in time");
            return Poll::Ready(Some(Err(Overdue.into())));
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

/// Writes an envelope whose data holds lists, or a map, item by item.
pub(super) struct EnvelopeWriter {
    /// What stands around the lists, in its order.
    parts: std::vec::IntoIter<String>,
    brackets: [u8; 2],
    written: Vec<u8>,
    /// Whether the open list has an item.
    has_items: bool,
}

impl EnvelopeWriter {
    /// Begins to write `envelope`, in whose JSON each list is `empty`: `[]`, or `{}` for maps.
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

    /// What has been written so far, if that is worth handing out. Nothing of it is kept.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        (self.written.len() >= CHUNK).then(|| std::mem::take(&mut self.written).into())
    }

    /// The end of the envelope.
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
