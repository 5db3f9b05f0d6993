//! Long responses that are read from the store page by page while the client receives them, so a list of any length needs only
//! the memory of one page.
//!
//! The next page is read once the client has received the previous one. Between pages no transaction, lock or store connection is
//! held. `client_limit` limits the number of such responses, and `http` the minimum rate at which clients must read them.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::time::Instant;

use crate::chat::ChatError;
use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::metrics::Metrics;
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

    /// Registers the metrics of the limits.
    pub(super) fn register(&self, metrics: &Metrics) {
        self.limit.register("legacy_reads", metrics);
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
        let Self { permit, deadline } = self;
        let json_type = [(header::CONTENT_TYPE, "application/json")];
        let mut chunks = Box::pin(chunks);
        let mut buffered = Vec::new();
        while let Some(chunk) = chunks.next().await {
            buffered.extend_from_slice(&chunk?);
            if buffered.len() > BUFFERED_MAX {
                let rest = chunks.map_err(|error| {
                    let (cause, reason) = (error.fault(), error.code().as_str());
                    tracing::warn!(error = cause, reason, "a legacy response was aborted");
                    BoxError::from(error)
                });
                let mut chunks = Box::pin(stream::once(async { Ok(Bytes::from(buffered)) }).chain(rest));
                let until_deadline = stream::poll_fn(move |task| {
                    // Held until the response is dropped.
                    let _permit = &permit;
                    if Instant::now() > deadline {
                        tracing::debug!("a legacy response was not received in time");
                        return Poll::Ready(Some(Err("the response was not received in time".into())));
                    }
                    chunks.as_mut().poll_next(task)
                });
                return Ok((json_type, Body::from_stream(until_deadline)).into_response());
            }
        }
        // Everything has been read, so the permit is released before the response is sent.
        Ok((json_type, buffered).into_response())
    }
}

/// Writes an envelope whose data contains lists or one map, item by item.
pub(super) struct EnvelopeWriter {
    /// The JSON around the items of the lists, in order.
    parts: std::vec::IntoIter<String>,
    written: Vec<u8>,
    /// Whether the open list has an item.
    has_items: bool,
}

impl EnvelopeWriter {
    /// Starts with `envelope`, whose lists or map are still empty: `empty` is `[]` or `{}`.
    pub(super) fn new<T: Serialize>(envelope: &Envelope<'_, T>, empty: &str) -> Result<Self, ChatError> {
        let json = serde_json::to_string(envelope).map_err(internal)?;
        let (opening, closing) = empty.split_at(1);
        // JSON never contains this character.
        let with_gaps = json.replace(empty, &format!("{opening}\0{closing}"));
        let parts: Vec<_> = with_gaps.split('\0').map(str::to_owned).collect();
        Ok(Self { parts: parts.into_iter(), written: Vec::new(), has_items: false })
    }

    /// Closes the open list, if there is one, and opens the next.
    pub(super) fn open_next(&mut self) {
        self.write_next_part();
        self.has_items = false;
    }

    /// Adds an item to the open list.
    pub(super) fn write_item(&mut self, value: &impl Serialize) -> Result<(), ChatError> {
        if std::mem::replace(&mut self.has_items, true) {
            self.written.push(b',');
        }
        self.write_value(value)
    }

    /// Adds an entry to the open map.
    pub(super) fn write_entry(&mut self, key: &str, value: &impl Serialize) -> Result<(), ChatError> {
        self.write_item(&key)?;
        self.written.push(b':');
        self.write_value(value)
    }

    /// Takes what has been written, if it is large enough for a chunk.
    pub(super) fn take_chunk(&mut self) -> Option<Bytes> {
        (self.written.len() >= CHUNK).then(|| std::mem::take(&mut self.written).into())
    }

    /// Closes the open list and the envelope. Returns the last chunk.
    pub(super) fn finish(mut self) -> Bytes {
        self.write_next_part();
        self.written.into()
    }

    fn write_next_part(&mut self) {
        self.written.extend(self.parts.next().unwrap_or_default().into_bytes());
    }

    fn write_value(&mut self, value: &impl Serialize) -> Result<(), ChatError> {
        serde_json::to_writer(&mut self.written, value).map_err(internal)
    }
}

fn internal(error: serde_json::Error) -> ChatError {
    ChatError::Internal(error.into())
}
