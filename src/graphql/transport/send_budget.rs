//! Bounds the bytes of a streamed body that wait to be written, and sets the headers that keep proxies from buffering it.
//!
//! hyper requests some sixteen chunks ahead, whatever their size, and would hold them all for a client that has stopped reading.
//! A rendered event that waits stays as it is, even if its message is edited or deleted meanwhile. So an event is rendered only
//! once there is capacity for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Response;
use tokio::sync::Notify;

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::unsent_bytes::{UNCOUNTED, UnsentBytes};

/// Another chunk is accepted while fewer bytes than this are pending.
const MAX_PENDING: usize = 8 * 1024;

/// A response whose body is produced while it is sent.
pub(super) fn streaming_response(media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that compresses the body would delay it.
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-transform"));
    // nginx and its relatives buffer a response unless this header is set.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Ends a stream early; its client reconnects and resumes.
#[derive(Debug, thiserror::Error)]
#[error("too many bytes wait to be sent")]
pub(super) struct Overloaded;

/// Counts the bytes of one body that are not written yet.
pub(super) struct SendBudget {
    unsent: UnsentBytes,
    client: ClientKey,
    pending: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    bytes: AtomicUsize,
    written: Notify,
}

/// Bytes to be written. hyper drops them once they are written, which frees capacity.
struct Chunk {
    text: String,
    pending: Arc<Pending>,
    _permit: Option<ClientPermit>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pending.bytes.fetch_sub(self.text.len(), Ordering::AcqRel);
        self.pending.written.notify_one();
    }
}

impl SendBudget {
    /// A budget whose bytes count for `client`.
    pub(super) fn new(unsent: &UnsentBytes, client: ClientKey) -> Self {
        Self { unsent: unsent.clone(), client, pending: Arc::default() }
    }

    /// Waits until there is capacity for a chunk.
    pub(super) async fn wait_for_capacity(&self) {
        // If a chunk is written between the check and the wait, its notification is stored.
        while self.pending.bytes.load(Ordering::Acquire) >= MAX_PENDING {
            self.pending.written.notified().await;
        }
    }

    /// Counts `text` and returns it as a chunk of the body. Call it after [`wait_for_capacity`](Self::wait_for_capacity).
    pub(super) fn chunk(&self, text: String) -> Result<Bytes, Overloaded> {
        let size = text.len();
        // Clients that keep reading never reach the lock in `reserve`.
        let permit = match self.pending.bytes.load(Ordering::Acquire) + size > UNCOUNTED {
            true => Some(self.unsent.reserve(self.client, size).map_err(|_| Overloaded)?),
            false => None,
        };
        self.pending.bytes.fetch_add(size, Ordering::AcqRel);
        Ok(Bytes::from_owner(Chunk { text, pending: Arc::clone(&self.pending), _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use crate::unsent_bytes::Settings;

    use super::*;

    fn budget(per_client: usize) -> SendBudget {
        SendBudget::new(&UnsentBytes::new(Settings { per_client, total: usize::MAX }), ClientKey::Unknown)
    }

    #[test]
    fn has_capacity_again_once_chunks_are_written() {
        let budget = budget(usize::MAX);
        let has_capacity = || budget.wait_for_capacity().now_or_never().is_some();
        let chunk = |size: usize| budget.chunk("x".repeat(size)).expect("within the limit");
        let first = chunk(MAX_PENDING - 1);
        assert!(has_capacity());
        let second = chunk(MAX_PENDING * 4);
        assert!(!has_capacity());
        drop(first);
        assert!(!has_capacity());
        drop(second);
        assert!(has_capacity());
    }

    #[test]
    fn a_large_chunk_counts_for_the_client_until_it_is_written() {
        let budget = budget(UNCOUNTED + 10);
        let small = budget.chunk("x".repeat(UNCOUNTED)).expect("not counted");
        assert!(budget.chunk("x".repeat(UNCOUNTED + 11)).is_err());
        let counted = budget.chunk("x".repeat(UNCOUNTED + 10)).expect("within the limit");
        assert!(budget.chunk("x".into()).is_err());
        drop(counted);
        drop(small);
        assert!(budget.chunk("x".into()).is_ok());
    }
}
