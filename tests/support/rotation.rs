//! The servers that clients may use: all but those that are being restarted, as behind a proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Servers on one store, of which at least one is in rotation at any time.
pub struct Rotation(Vec<Member>);

struct Member {
    address: String,
    is_in: AtomicBool,
}

impl Rotation {
    /// All servers at these addresses.
    pub fn of(addresses: impl IntoIterator<Item = String>) -> Arc<Self> {
        let members = addresses.into_iter().map(|address| Member { address, is_in: AtomicBool::new(true) });
        Arc::new(Self(members.collect()))
    }

    /// The number of a random server that is in rotation.
    pub fn choose(&self, rng: &mut StdRng) -> usize {
        loop {
            let number = rng.random_range(0..self.0.len());
            if self.0[number].is_in.load(Ordering::Acquire) {
                return number;
            }
        }
    }

    /// The address of the server with this number, counted around.
    pub fn address(&self, number: usize) -> &str {
        &self.0[number % self.0.len()].address
    }

    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|member| member.address.as_str())
    }

    /// Takes a server out of rotation, or puts it back.
    #[allow(dead_code, reason = "only benches use it")]
    pub fn set(&self, number: usize, is_in: bool) {
        self.0[number].is_in.store(is_in, Ordering::Release);
    }
}
