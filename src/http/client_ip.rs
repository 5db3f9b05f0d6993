//! Identification of the client that sent a request, by its IP address.
//!
//! The client is the peer of the connection, unless the peer is a trusted proxy. Then the client is the address that the proxies
//! report in `Forwarded` (RFC 7239) or `X-Forwarded-For`. Each proxy appends the address it received the request from, so the
//! header is read from the right, up to the first address that is not a trusted proxy. Addresses to the left of it may be forged.
//!
//! Most proxies write one of the two headers and pass on what the client wrote into the other, so neither header can be
//! preferred. If the two report different clients, or one of them cannot be parsed, the client is unknown. It must not count as
//! the proxy then: the proxy's address is private, and private addresses have privileges.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::domain::client_key::ClientKey;
use crate::header_list::split;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that proxies add to the requests they forward, besides those that report the client.
const OTHER_PROXY_HEADERS: [HeaderName; 6] = [
    header::VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
];

/// Whether a proxy has forwarded this request.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    [header::FORWARDED, X_FORWARDED_FOR].iter().chain(&OTHER_PROXY_HEADERS).any(|name| headers.contains_key(name))
}

/// Identifies clients by their addresses. Only this type makes [`ClientKey`]s.
#[derive(Clone, Debug)]
pub struct ClientIpResolver {
    pub proxies: TrustedProxies,
    /// Length of the IPv6 prefix that counts as one client, in bits.
    pub ipv6_prefix: u8,
}

/// The client that sent a request.
#[derive(Clone, Copy)]
pub(super) struct Client {
    /// `None` if the address is unknown.
    pub(super) address: Option<IpAddr>,
    pub(super) key: ClientKey,
    /// Whether a trusted proxy has forwarded or sent the request.
    pub(super) via_trusted_proxy: bool,
}

impl ClientIpResolver {
    /// The client that a connection from `peer` counts for; `None` for a trusted proxy, which carries many clients.
    pub(super) fn client_of_connection(&self, peer: IpAddr) -> Option<ClientKey> {
        (!self.proxies.contains(peer)).then(|| self.key(peer))
    }

    /// The client of a request that arrived from `peer`.
    pub(super) fn client_of_request(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let address = self.proxies.client_address(peer, headers);
        let key = address.map_or(ClientKey::Unknown, |address| self.key(address));
        Client { address, key, via_trusted_proxy: self.proxies.contains(peer) }
    }

    fn key(&self, address: IpAddr) -> ClientKey {
        ClientKey::from_address(address, self.ipv6_prefix)
    }
}

/// Networks of the proxies whose headers about clients are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = ipnet::AddrParseError;

    /// Parses addresses and networks, separated by commas. Empty text means no proxies.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = |entry: &str| entry.parse().or_else(|error| entry.parse().map(canonical).map_err(|_| error));
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn canonical(address: IpAddr) -> IpNet {
    address.to_canonical().into()
}

impl TrustedProxies {
    /// Whether `address` belongs to a trusted proxy.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client whose request arrived from `peer`; `None` if it is unknown.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if self.contains(peer) { self.client_behind(peer, headers) } else { Some(peer) }
    }

    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let forwarded = self.walk(elements(headers, &header::FORWARDED).map(forwarded_for));
        let x_forwarded_for = self.walk(elements(headers, &X_FORWARDED_FOR).map(parse_node));
        match (forwarded, x_forwarded_for) {
            (Chain::Unreadable, _) | (_, Chain::Unreadable) => None,
            // The proxy itself is the client, unless it forwarded a request without reporting the client.
            (Chain::Absent, Chain::Absent) => (!is_forwarded(headers)).then_some(peer),
            (Chain::Client(one), Chain::Client(other)) | (Chain::Proxies(one), Chain::Proxies(other)) => {
                (one == other).then_some(one)
            }
            (Chain::Client(client), _) | (_, Chain::Client(client)) => Some(client),
            (Chain::Proxies(proxy), Chain::Absent) | (Chain::Absent, Chain::Proxies(proxy)) => Some(proxy),
        }
    }

    /// Walks the hops from the nearest one outwards, to the first that is not a trusted proxy or cannot be parsed.
    fn walk(&self, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> Chain {
        let mut chain = Chain::Absent;
        for hop in hops.rev() {
            match hop {
                Some(address) if self.contains(address) => chain = Chain::Proxies(address),
                Some(address) => return Chain::Client(address),
                None => return Chain::Unreadable,
            }
        }
        chain
    }
}

/// The result of walking the hops that a header lists.
enum Chain {
    /// The request has no such header.
    Absent,
    /// The nearest hop that is not a trusted proxy.
    Client(IpAddr),
    /// All hops are trusted proxies; this is the farthest.
    Proxies(IpAddr),
    /// A hop before the client cannot be parsed.
    Unreadable,
}

/// The elements of a list header, over all of its lines. A value that is not text is one unparsable element.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| split(line, ',')).collect::<Vec<_>>().into_iter()
}

/// The address in the `for` of one element of `Forwarded`; `None` if there are two, which is ambiguous.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut values = split(element, ';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    match value.strip_prefix('"') {
        Some(quoted) => parse_node(quoted.strip_suffix('"')?),
        None => parse_node(value),
    }
}

/// Parses an address with or without a port; an IPv6 address may be in brackets. `None` for `unknown` and obfuscated names.
fn parse_node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|node: SocketAddr| node.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PEER: &str = "10.0.0.1";
    const UNKNOWN: &str = "unknown";

    /// Resolves the client of a request from `peer` with these headers; 10.0.0.0/8 and fd00::/8 are trusted proxies.
    fn resolve(peer: &str, headers: &[(&HeaderName, &str)]) -> String {
        let proxies: TrustedProxies = "10.0.0.0/8, fd00::/8".parse().expect("networks");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        let address = proxies.client_address(peer.parse().expect("an address"), &map);
        address.map_or_else(|| UNKNOWN.to_owned(), |address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_the_client_whatever_its_headers() {
        let headers = [(&X_FORWARDED_FOR, "9.9.9.9"), (&header::FORWARDED, "for=9.9.9.9")];
        assert_eq!(resolve("1.2.3.4", &headers), "1.2.3.4");
        assert_eq!(resolve("::ffff:1.2.3.4", &[]), "1.2.3.4");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_up_to_the_first_untrusted_address() {
        for (value, client) in [
            ("1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4 ,10.0.0.2, 10.0.0.3", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::1]:5678", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("1.2.3.4, ::ffff:10.0.0.9", "1.2.3.4"),
            // All of them are proxies: the farthest one counts.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("1.2.3.4, garbage, 10.0.0.2", UNKNOWN),
            ("1.2.3.4, unknown", UNKNOWN),
            ("1.2.3.4,", UNKNOWN),
            ("1.2.3.4, \u{e9}", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(resolve(PEER, &[(&X_FORWARDED_FOR, value)]), client, "{value}");
        }
        let lines = [(&X_FORWARDED_FOR, "9.9.9.9"), (&X_FORWARDED_FOR, "1.2.3.4, 10.0.0.2")];
        assert_eq!(resolve(PEER, &lines), "1.2.3.4", "several lines are one list");
    }

    #[test]
    fn forwarded_is_parsed_with_quotes_brackets_and_ports() {
        for (value, client) in [
            ("for=1.2.3.4", "1.2.3.4"),
            ("For=\"1.2.3.4:80\";proto=https", "1.2.3.4"),
            ("for=9.9.9.9, proto=http ; for=\"[2001:db8::1]:4711\";by=10.0.0.1", "2001:db8::1"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=1.2.3.4, for=\"[fd00::1]\"", "1.2.3.4"),
            ("for=1.2.3.4;host=\"a,b;for=9.9.9.9\", for=10.0.0.2", "1.2.3.4"),
            ("for=9.9.9.9;host=\"\\\", for=8.8.8.8\"", "9.9.9.9"),
            ("for=1.2.3.4, for=_hidden", UNKNOWN),
            ("for=1.2.3.4, for=unknown, for=10.0.0.2", UNKNOWN),
            ("for=1.2.3.4, proto=http", UNKNOWN),
            ("for=1.2.3.4;for=9.9.9.9", UNKNOWN),
            ("for=\"1.2.3.4", UNKNOWN),
            ("1.2.3.4", UNKNOWN),
        ] {
            assert_eq!(resolve(PEER, &[(&header::FORWARDED, value)]), client, "{value}");
        }
    }

    #[test]
    fn two_headers_that_disagree_or_cannot_be_parsed_make_the_client_unknown() {
        let both = |one, other| resolve(PEER, &[(&header::FORWARDED, one), (&X_FORWARDED_FOR, other)]);
        assert_eq!(both("for=1.2.3.4", "1.2.3.4"), "1.2.3.4");
        assert_eq!(both("for=9.9.9.9", "1.2.3.4"), UNKNOWN);
        // The outer proxy writes one of them and the inner one the other.
        assert_eq!(both("for=1.2.3.4", "10.0.0.2"), "1.2.3.4");
        // A proxy that hides its clients passes on what they wrote into the other header.
        assert_eq!(both("for=unknown", "1.2.3.4"), UNKNOWN);
        assert_eq!(both("for=_hidden", "192.168.0.1"), UNKNOWN);
        assert_eq!(both("for=10.0.0.3", "10.0.0.2"), UNKNOWN);
        assert_eq!(both("for=10.0.0.3", "10.0.0.3"), "10.0.0.3");
        assert_eq!(both("for=1.2.3.4", ""), UNKNOWN);
    }

    #[test]
    fn trusted_proxy_is_the_client_only_of_requests_that_it_does_not_forward() {
        assert_eq!(resolve(PEER, &[]), PEER);
        for name in &OTHER_PROXY_HEADERS {
            assert_eq!(resolve(PEER, &[(name, "1.2.3.4")]), UNKNOWN, "{name}");
            assert_eq!(resolve(PEER, &[(name, "1.2.3.4"), (&X_FORWARDED_FOR, "9.9.9.9")]), "9.9.9.9", "{name}");
            assert_eq!(resolve("1.2.3.4", &[(name, "9.9.9.9")]), "1.2.3.4", "{name}");
        }
    }

    #[test]
    fn connection_counts_for_its_network_or_for_no_client_if_a_trusted_proxy_opened_it() {
        let resolver = ClientIpResolver { proxies: "10.0.0.0/8".parse().expect("a network"), ipv6_prefix: 56 };
        let key = |peer: &str| resolver.client_of_connection(peer.parse().expect("an address"));
        assert_eq!(key(PEER), None);
        let (one, other) = (key("2001:db8:0:12::1"), key("2001:db8:0:34::1"));
        assert!(one.is_some() && one == other, "56 bits identify a client");
    }

    #[test]
    fn trusted_proxies_are_addresses_and_networks_and_nothing_else() {
        let parse = |text: &str| text.parse::<TrustedProxies>();
        assert_eq!(parse("").expect("an empty list"), TrustedProxies::default());
        let proxies = parse("10.0.0.0/8 , ::1,::ffff:192.0.2.7,").expect("networks");
        for (text, trusted) in [
            ("10.9.9.9", true),
            ("::ffff:10.1.1.1", true),
            ("::1", true),
            ("192.0.2.7", true),
            ("::2", false),
            ("11.0.0.1", false),
        ] {
            assert_eq!(proxies.contains(text.parse().expect("an address")), trusted, "{text}");
        }
        for text in ["10.0.0.0/33", "localhost", "10.0.0.1:80", "10.0.0", "*"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
