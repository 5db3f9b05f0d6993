//! Streamed bodies: what proxies have to be told of them, and how much of one may wait to be written.
//!
//! HTTP asks for piece after piece until it has some sixteen, however big they are; a reader who has stopped reading would
//! hold them all. So an event is not even rendered before there is room for it: what has been rendered waits for the reader
//! as it is, though its message may be edited or deleted meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Response;
use tokio::sync::Notify;

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::unsent_bytes::{UNCOUNTED, UnsentBytes};

/// There is room for a piece while fewer bytes than these wait.
const WAITING: usize = 8 * 1024;

/// Answers with a body that is sent while it comes into being.
pub(super) fn streamed(media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Whoever compresses it holds it back.
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-transform"));
    // Proxies of the nginx family gather a response before they pass it on, unless they are told not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Why a stream ends before it is over: its client comes back, and resumes.
#[derive(Debug, thiserror::Error)]
#[error("too many bytes wait to be sent")]
pub(super) struct Overloaded;

/// What of one body is under way.
pub(super) struct Outflow {
    unsent: UnsentBytes,
    client: ClientKey,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    written: Notify,
}

/// Bytes on their way. When they are written they are dropped, which makes room for others.
struct Piece {
    text: String,
    waiting: Arc<Waiting>,
    _permit: Option<ClientPermit>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.text.len(), Ordering::AcqRel);
        self.waiting.written.notify_one();
    }
}

impl Outflow {
    /// One whose bytes count for `client`.
    pub(super) fn new(unsent: &UnsentBytes, client: ClientKey) -> Self {
        Self { unsent: unsent.clone(), client, waiting: Arc::default() }
    }

    /// Waits until there is room for a piece.
    pub(super) async fn room(&self) {
        // A piece that is written between the look and the wait leaves its notification behind.
        while self.waiting.bytes.load(Ordering::Acquire) >= WAITING {
            self.waiting.written.notified().await;
        }
    }

    /// A piece of the body. Call it when there is [`room`](Self::room).
    pub(super) fn piece(&self, text: String) -> Result<Bytes, Overloaded> {
        let size = text.len();
        // Readers who read never meet the lock behind this.
        let permit = match self.waiting.bytes.load(Ordering::Acquire) + size > UNCOUNTED {
            true => Some(self.unsent.reserve(self.client, size).map_err(|_| Overloaded)?),
            false => None,
        };
        self.waiting.bytes.fetch_add(size, Ordering::AcqRel);
        Ok(Bytes::from_owner(Piece { text, waiting: Arc::clone(&self.waiting), _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use crate::unsent_bytes::Settings;

    use super::*;

    fn outflow(per_client: usize) -> Outflow {
        Outflow::new(&UnsentBytes::new(Settings { per_client, total: usize::MAX }), ClientKey::Unknown)
    }

    #[test]
    fn there_is_room_again_when_pieces_are_written() {
        let outflow = outflow(usize::MAX);
        let has_room = || outflow.room().now_or_never().is_some();
        let piece = |size: usize| outflow.piece("x".repeat(size)).expect("within the limit");
        let first = piece(WAITING - 1);
        assert!(has_room());
        let second = piece(WAITING * 4);
        assert!(!has_room());
        drop(first);
        assert!(!has_room());
        drop(second);
        assert!(has_room());
    }

    #[test]
    fn what_is_large_counts_for_the_client_until_it_is_written() {
        let outflow = outflow(UNCOUNTED + 10);
        let small = outflow.piece("x".repeat(UNCOUNTED)).expect("not counted");
        assert!(outflow.piece("x".repeat(UNCOUNTED + 11)).is_err());
        let counted = outflow.piece("x".repeat(UNCOUNTED + 10)).expect("within the limit");
        assert!(outflow.piece("x".into()).is_err());
        drop(counted);
        drop(small);
        assert!(outflow.piece("x".into()).is_ok());
    }
}
