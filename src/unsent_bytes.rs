//! Limits on the bytes of responses that wait to be sent: per client, and for all clients together.
//!
//! A response counts from the moment it is assembled until the operating system has taken its last byte, or its connection is
//! gone. The maximum size of one response is checked where it is assembled.

use std::sync::Arc;

use hyper::body::Bytes;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::metrics::Metrics;

/// Bytes of one response or stream that are not counted: a connection costs as much by itself.
pub const UNCOUNTED: usize = 16 * 1024;

/// Settings of [`UnsentBytes`].
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

    /// Registers the metrics of the limits.
    pub fn register(&self, metrics: &Metrics) {
        self.0.register("unsent_bytes", metrics);
    }

    /// Counts `amount` bytes for `client` until the permit is dropped. It can be resized meanwhile.
    pub fn reserve(&self, client: ClientKey, amount: usize) -> Result<ClientPermit, Exceeded> {
        self.0.acquire(Some(client), amount)
    }

    /// Counts `bytes` for `client` until the last of them is dropped. Up to [`UNCOUNTED`] bytes are not counted.
    pub fn count(&self, client: ClientKey, bytes: Vec<u8>) -> Result<Bytes, Exceeded> {
        if bytes.len() <= UNCOUNTED {
            return Ok(bytes.into());
        }
        let permit = self.reserve(client, bytes.len())?;
        Ok(with_permit(bytes, Some(permit)))
    }
}

/// Ties `permit` to `bytes`: it is released when the last part of them is dropped, which a connection does once they are
/// written.
pub fn with_permit(bytes: impl Into<Vec<u8>>, permit: Option<ClientPermit>) -> Bytes {
    let bytes = bytes.into();
    match permit {
        None => bytes.into(),
        Some(permit) => Bytes::from_owner(BytesWithPermit { bytes, _permit: permit }),
    }
}

struct BytesWithPermit {
    bytes: Vec<u8>,
    _permit: ClientPermit,
}

impl AsRef<[u8]> for BytesWithPermit {
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
        let [one, other] = [1, 2].map(|last| ClientKey::from_address([192, 0, 2, last].into(), 64));
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
