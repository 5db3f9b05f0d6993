//! The key under which everything that is limited per client is counted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A client, as far as limits go: the network that one customer of a provider usually gets, or unknown.
///
/// Built by `http`, in one place; whatever counts by client counts by this.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// Nobody can tell where the request came from. All such requests count as one client, which has no privileges.
    Unknown,
    /// The client's network: an IPv4 address, or the first bits of an IPv6 address with the rest zero.
    Network(IpAddr),
}

/// How many bits of an address make up a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkPrefixes {
    /// 0 to 32.
    pub ipv4: u8,
    /// 0 to 128.
    pub ipv6: u8,
}

/// Text that is not two prefix lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPrefixes;

impl FromStr for NetworkPrefixes {
    type Err = NotPrefixes;

    /// Reads the length for IPv4, from 8 to 32, and the one for IPv6, from 16 to 128, with a comma between them.
    fn from_str(text: &str) -> Result<Self, NotPrefixes> {
        let (ipv4, ipv6) = text.split_once(',').ok_or(NotPrefixes)?;
        let length = |text: &str| text.trim().parse::<u8>().map_err(|_| NotPrefixes);
        let (ipv4, ipv6) = (length(ipv4)?, length(ipv6)?);
        let sane = (8..=32).contains(&ipv4) && (16..=128).contains(&ipv6);
        if sane { Ok(Self { ipv4, ipv6 }) } else { Err(NotPrefixes) }
    }
}

impl ClientKey {
    /// The key of a client at `address`, of which `ipv6_prefix` bits count if it is an IPv6 address (0 to 128). An IPv4
    /// address written as IPv6 counts as IPv4.
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => masked_v6(address, ipv6_prefix).into(),
        })
    }

    /// The wider network around the client; `None` if that is a single address, or unknown.
    pub fn wider(self, prefixes: NetworkPrefixes) -> Option<Self> {
        let wider = match self {
            Self::Unknown => return None,
            Self::Network(IpAddr::V4(address)) => masked_v4(address, prefixes.ipv4).into(),
            Self::Network(IpAddr::V6(address)) => masked_v6(address, prefixes.ipv6).into(),
        };
        let is_wider = match wider {
            IpAddr::V4(_) => prefixes.ipv4 < 32,
            IpAddr::V6(_) => prefixes.ipv6 < 128,
        };
        is_wider.then_some(Self::Network(wider))
    }
}

fn masked_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0))
}

fn masked_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0))
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

    #[test]
    fn clients_of_one_wider_network_share_its_key() {
        let wider = |address| key(address, 64).wider(NetworkPrefixes { ipv4: 24, ipv6: 48 });
        assert_eq!(wider("2001:db8:1:2::1"), wider("2001:db8:1:ffff::9"));
        assert_ne!(wider("2001:db8:1:2::1"), wider("2001:db8:2:2::1"));
        assert_eq!(wider("192.0.2.7"), wider("192.0.2.200"));
        assert_ne!(wider("192.0.2.7"), wider("192.0.3.7"));
        assert!(wider("192.0.2.7").is_some() && wider("2001:db8::1").is_some());
    }

    #[test]
    fn prefix_lengths_are_read_as_they_are_written() {
        assert_eq!("24, 48".parse(), Ok(NetworkPrefixes { ipv4: 24, ipv6: 48 }));
        for text in ["", "24", "33,48", "24,129", "7,48", "24,8", "24,48,1", "-1,48"] {
            assert_eq!(text.parse::<NetworkPrefixes>(), Err(NotPrefixes), "{text}");
        }
    }

    #[test]
    fn a_single_address_and_an_unknown_client_have_no_wider_network() {
        assert_eq!(key("192.0.2.7", 64).wider(NetworkPrefixes { ipv4: 32, ipv6: 48 }), None);
        assert_eq!(ClientKey::Unknown.wider(NetworkPrefixes { ipv4: 24, ipv6: 48 }), None);
    }
}
