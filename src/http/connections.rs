//! How many connections there are, in all and from each network, and the connection that counts as one for as long as it
//! is open, whatever it has become: a socket is still the connection it was made from.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::metrics::Gauge;

/// Counts connections, up to a limit in all and up to one for each address. An IPv6 address counts as its network of 64
/// bits, which is what one customer has at least.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
    open: Gauge,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    InAll,
    OfAddress,
}

/// One counted connection. Gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    pub(super) fn new(max: usize, max_per_address: usize) -> Self {
        Self { max, max_per_address, counts: Mutex::default(), open: Gauge::default() }
    }

    /// How many there are, for who wants to know.
    pub(super) const fn open(&self) -> &Gauge {
        &self.open
    }

    /// Counts a connection from `address`; from none if it counts for no address.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let address = address.map(network);
        let mut counts = self.lock();
        if counts.all >= self.max {
            return Err(Full::InAll);
        }
        if let Some(address) = address {
            let count = counts.by_address.entry(address).or_default();
            if *count >= self.max_per_address {
                return Err(Full::OfAddress);
            }
            *count += 1;
        }
        counts.all += 1;
        self.open.inc();
        Ok(Place { connections: Arc::clone(self), address })
    }

    /// A panic under the lock leaves counts that are still right.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all -= 1;
        self.connections.open.dec();
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// What of an address is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// A connection that is counted until it is closed.
#[derive(Debug)]
pub(super) struct Counted {
    stream: TcpStream,
    _place: Place,
}

impl Counted {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        Self { stream, _place: place }
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_come_back() {
        let connections = Arc::new(Connections::new(3, 2));
        let first = connections.take(address("1.1.1.1")).expect("a place");
        let _second = connections.take(address("1.1.1.1")).expect("a place");
        assert_eq!(connections.take(address("::ffff:1.1.1.1")).err(), Some(Full::OfAddress));
        let third = connections.take(address("2.2.2.2")).expect("a place");
        assert_eq!(connections.take(address("3.3.3.3")).err(), Some(Full::InAll));
        drop((first, third));
        assert!(connections.take(address("1.1.1.1")).is_ok());
        assert_eq!(connections.lock().by_address.len(), 1);
    }

    #[test]
    fn what_counts_for_no_address_counts_in_all() {
        let connections = Arc::new(Connections::new(2, 1));
        let _places = [connections.take(None), connections.take(None)].map(|place| place.expect("a place"));
        assert_eq!(connections.take(None).err(), Some(Full::InAll));
    }

    #[test]
    fn addresses_of_one_network_share_their_places() {
        let connections = Arc::new(Connections::new(10, 1));
        let _place = connections.take(address("2001:db8::1")).expect("a place");
        assert_eq!(connections.take(address("2001:db8::ffff:2")).err(), Some(Full::OfAddress));
        assert!(connections.take(address("2001:db8:0:1::1")).is_ok());
    }
}
