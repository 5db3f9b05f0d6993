//! How much of a streamed body may wait to be written. HTTP asks for piece after piece until it has some sixteen, however
//! big they are; a reader who has stopped reading would hold them all.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may wait, or one piece if it is bigger.
const WAITING: u32 = 32 * 1024;

/// What of one body is under way.
pub(super) struct Outflow(Arc<Semaphore>);

/// Bytes on their way. When they are written they are dropped, which makes room for others.
struct Piece {
    text: String,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Outflow {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(WAITING as usize)))
    }

    /// A piece of the body, once there is room for it.
    pub(super) async fn piece(&self, text: String) -> Result<Bytes, Infallible> {
        let size = u32::try_from(text.len()).unwrap_or(WAITING).min(WAITING);
        let room = Arc::clone(&self.0).acquire_many_owned(size).await;
        // The semaphore is never closed, so there always is a permit.
        Ok(Bytes::from_owner(Piece { text, _room: room.ok() }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_piece_waits_until_those_before_it_are_written() {
        let outflow = Outflow::new();
        let piece = |size: usize| outflow.piece("x".repeat(size)).now_or_never();
        let first = piece(WAITING as usize - 1).expect("there is room");
        let second = piece(1).expect("there is room");
        assert!(piece(1).is_none());
        drop(second);
        assert!(piece(1).is_some());
        assert!(piece(WAITING as usize * 2).is_none());
        drop(first);
        assert_eq!(piece(WAITING as usize * 2).map(|piece| piece.map(|bytes| bytes.len())), Some(Ok(65_536)));
    }
}
