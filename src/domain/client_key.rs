//! The key of all per-client limits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Identifies a client for limits: by the network that a provider usually assigns to one customer.
///
/// Only `http` creates keys of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// The address of the client is unknown. All such clients count as one, which has no privileges.
    Unknown,
    /// The client's network: an IPv4 address, or an IPv6 prefix with the remaining bits zero.
    Network(IpAddr),
}

/// The prefix lengths of a network, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkPrefixes {
    /// 0 to 32.
    pub ipv4: u8,
    /// 0 to 128.
    pub ipv6: u8,
}

/// The error of parsing a text that is not two valid prefix lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPrefixes;

impl FromStr for NetworkPrefixes {
    type Err = InvalidPrefixes;

    /// Parses `IPV4,IPV6`: prefix lengths of 8 to 32 and of 16 to 128.
    fn from_str(text: &str) -> Result<Self, InvalidPrefixes> {
        let (ipv4, ipv6) = text.split_once(',').ok_or(InvalidPrefixes)?;
        let length = |text: &str| text.trim().parse::<u8>().map_err(|_| InvalidPrefixes);
        let (ipv4, ipv6) = (length(ipv4)?, length(ipv6)?);
        let is_valid = (8..=32).contains(&ipv4) && (16..=128).contains(&ipv6);
        if is_valid { Ok(Self { ipv4, ipv6 }) } else { Err(InvalidPrefixes) }
    }
}

impl ClientKey {
    /// The key of a client at `address`. Of an IPv6 address only the first `ipv6_prefix` bits (0 to 128) count. An
    /// IPv4-mapped IPv6 address counts as IPv4.
    pub fn from_address(address: IpAddr, ipv6_prefix: u8) -> Self {
        let address = address.to_canonical();
        let network = if address.is_ipv6() { IpNet::new(address, ipv6_prefix).ok() } else { None };
        Self::Network(network.map_or(address, |network| network.network()))
    }

    /// The key of the wider network that contains the client; `None` if it is a single address or the client is unknown.
    pub fn wider(self, prefixes: NetworkPrefixes) -> Option<Self> {
        let Self::Network(address) = self else { return None };
        let prefix = if address.is_ipv4() { prefixes.ipv4 } else { prefixes.ipv6 };
        let network = IpNet::new(address, prefix).ok()?;
        (network.prefix_len() < network.max_prefix_len()).then(|| Self::Network(network.network()))
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
        ClientKey::from_address(address.parse().expect("an address"), ipv6_prefix)
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
    fn each_ipv4_address_is_one_client_in_either_notation() {
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
    fn prefix_lengths_are_parsed_and_validated() {
        assert_eq!("24, 48".parse(), Ok(NetworkPrefixes { ipv4: 24, ipv6: 48 }));
        for text in ["", "24", "33,48", "24,129", "7,48", "24,8", "24,48,1", "-1,48"] {
            assert_eq!(text.parse::<NetworkPrefixes>(), Err(InvalidPrefixes), "{text}");
        }
    }

    #[test]
    fn a_single_address_and_an_unknown_client_have_no_wider_network() {
        assert_eq!(key("192.0.2.7", 64).wider(NetworkPrefixes { ipv4: 32, ipv6: 48 }), None);
        assert_eq!(ClientKey::Unknown.wider(NetworkPrefixes { ipv4: 24, ipv6: 48 }), None);
    }
}
