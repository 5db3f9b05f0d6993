//! Limits on the bytes of responses that wait to be sent: of each client, and of all clients together.
//!
//! A response is counted from when it is being put together until its last byte has been handed to the operating system, or
//! its connection is gone. How large one response may be is decided where it is made.

use std::sync::Arc;

use hyper::body::Bytes;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;

/// Bytes of one response, or waiting on one stream, that are not worth counting: a connection costs as much by itself.
pub const UNCOUNTED: usize = 16 * 1024;

/// How much may wait to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes for one client.
    pub per_client: usize,
    /// Bytes for all clients together.
    pub total: usize,
}

/// Counts the bytes that wait to be sent.
#[derive(Clone, Debug)]
pub struct UnsentBytes(Arc<ClientLimit>);

impl UnsentBytes {
    pub fn new(settings: Settings) -> Self {
        Self(ClientLimit::shared(settings.per_client, settings.total))
    }

    /// Counts `amount` bytes for `client` until the permit is dropped. It can be resized meanwhile.
    pub fn reserve(&self, client: ClientKey, amount: usize) -> Result<ClientPermit, Exceeded> {
        self.0.acquire(Some(client), amount)
    }

    /// Counts `bytes` for `client` until the last of them is dropped, as [`counted`] does; few bytes are not counted.
    pub fn count(&self, client: ClientKey, bytes: Vec<u8>) -> Result<Bytes, Exceeded> {
        if bytes.len() <= UNCOUNTED {
            return Ok(bytes.into());
        }
        let permit = self.reserve(client, bytes.len())?;
        Ok(counted(bytes, Some(permit)))
    }
}

/// Keeps `permit` for as long as any part of `bytes` is held: a connection drops them once they are written.
pub fn counted(bytes: impl Into<Vec<u8>>, permit: Option<ClientPermit>) -> Bytes {
    let bytes = bytes.into();
    match permit {
        None => bytes.into(),
        Some(permit) => Bytes::from_owner(Counted { bytes, _permit: permit }),
    }
}

struct Counted {
    bytes: Vec<u8>,
    _permit: ClientPermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_the_last_part_of_them_is_dropped() {
        let unsent = UnsentBytes::new(Settings { per_client: 100_000, total: 150_000 });
        let [one, other] = [1, 2].map(|last| ClientKey::of([192, 0, 2, last].into(), 64));
        let mut whole = unsent.count(one, vec![7; 90_000]).expect("within the limits");
        assert!(unsent.count(one, vec![7; UNCOUNTED]).is_ok(), "few bytes are not counted");
        assert_eq!(unsent.count(one, vec![7; 20_000]).err(), Some(Exceeded::PerClient));
        assert_eq!(unsent.count(other, vec![7; 70_000]).err(), Some(Exceeded::Total));
        let part = whole.split_to(10);
        drop(whole);
        assert_eq!(unsent.0.total_held(), 90_000);
        drop(part);
        assert_eq!(unsent.0.total_held(), 0);
    }
}
