//! The key under which everything that is limited per client is counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A client, as far as limits go: the network that one customer of a provider usually gets, or unknown.
///
/// Built once per request, by `http`; whatever counts by client counts by this.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// Nobody can tell where the request came from. All such requests count as one client, which has no privileges.
    Unknown,
    /// The client's network: an IPv4 address, or the first bits of an IPv6 address with the rest zero.
    Network(IpAddr),
}

impl ClientKey {
    /// The key of a client at `address`, of which `ipv6_prefix` bits count if it is an IPv6 address (0 to 128). An IPv4
    /// address written as IPv6 counts as IPv4.
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(ipv6_prefix.into())).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        })
    }
}

/// Hides the address.
impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "ClientKey(unknown)",
            Self::Network(_) => "ClientKey",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str, ipv6_prefix: u8) -> ClientKey {
        ClientKey::of(address.parse().expect("an address"), ipv6_prefix)
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_client() {
        assert_eq!(key("2001:db8:1:2::1", 64), key("2001:db8:1:2:ffff::9", 64));
        assert_ne!(key("2001:db8:1:2::1", 64), key("2001:db8:1:3::1", 64));
        assert_eq!(key("2001:db8:1:2::1", 48), key("2001:db8:1:3::1", 48));
        assert_ne!(key("2001:db8::1", 128), key("2001:db8::2", 128));
        assert_eq!(key("2001:db8::1", 0), key("fd00::1", 0));
    }

    #[test]
    fn ipv4_addresses_are_clients_of_their_own_however_they_are_written() {
        assert_eq!(key("::ffff:192.0.2.7", 64), key("192.0.2.7", 64));
        assert_ne!(key("192.0.2.7", 64), key("192.0.2.8", 64));
    }
}
