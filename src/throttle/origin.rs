//! Where a request comes from, as far as counting goes.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use crate::domain::client_key::ClientKey;
use crate::store::{Guesser, Subject};

/// An address, or the block that a home or a machine gets: of IPv6 the first 64 bits. IPv4 is IPv4 however it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Origin {
    pub(super) fn of(client: ClientKey) -> Self {
        match client {
            ClientKey::Unknown => Self::V4([0; 4]),
            ClientKey::Network(IpAddr::V4(address)) => Self::V4(address.octets()),
            ClientKey::Network(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// As the store counts it, the same on every node.
    pub(super) fn subject(&self) -> Subject {
        self.digest("address", "")
    }

    /// As the store counts it together with a user.
    pub(super) fn subject_with(&self, user: &str) -> Subject {
        self.digest("user", user)
    }

    /// As a room meets it. Of IPv6 a block is the first 48 bits, as one customer of a provider may have that many.
    pub(super) fn guesser(&self) -> Guesser {
        let block = match self {
            Self::V4(_) => *self,
            Self::V6([a, b, c, d, e, f, ..]) => Self::V6([*a, *b, *c, *d, *e, *f, 0, 0]),
        };
        Guesser { subject: self.subject(), block: block.digest("block", "") }
    }

    fn digest(&self, kind: &str, user: &str) -> Subject {
        let address: &[u8] = match self {
            Self::V4(octets) => octets,
            Self::V6(octets) => octets,
        };
        let hash = Sha256::new()
            .chain_update([kind.len() as u8])
            .chain_update(kind)
            .chain_update([address.len() as u8])
            .chain_update(address)
            .chain_update(user);
        let hash = hash.finalize();
        Subject(std::array::from_fn(|i| hash[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        Origin::of(ClientKey::of(address.parse().expect("an address"), 64))
    }

    #[test]
    fn ipv6_counts_by_its_64_bits_and_a_mapped_address_as_ipv4() {
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(origin("::ffff:192.0.2.7"), origin("192.0.2.7"));
        assert_ne!(origin("192.0.2.7"), origin("192.0.2.8"));
    }

    #[test]
    fn the_last_guess_is_shared_by_the_first_48_bits() {
        let blocks = ["2001:db8:1:2::1", "2001:db8:1:ffff::1"].map(|address| origin(address).guesser());
        assert!(blocks[0].block == blocks[1].block && blocks[0].subject != blocks[1].subject);
        assert_ne!(origin("2001:db8:2:2::1").guesser().block, blocks[0].block);
        assert_ne!(origin("192.0.2.7").guesser().block, origin("192.0.2.8").guesser().block);
    }

    #[test]
    fn an_address_and_a_user_at_it_are_two_subjects() {
        let origin = origin("192.0.2.7");
        assert_ne!(origin.subject(), origin.subject_with(""));
        assert_ne!(origin.subject_with("somebody"), origin.subject_with("somebody else"));
    }
}
