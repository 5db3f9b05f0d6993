//! Finds out who asks. The peer of a connection is the client, unless it is a proxy that is trusted: then the client is
//! whom the proxies name in `Forwarded` (RFC 7239) or `X-Forwarded-For`, read from the right as each proxy adds whom it
//! heard, up to the first address that is no trusted proxy. What stands left of it is hearsay.
//!
//! Most proxies write one of the two headers and hand through whatever a client wrote into the other, so neither can be
//! preferred. If the two name different clients, or one of them cannot be read, the client is unknown. It must not count as
//! the proxy then: the proxy's address is private, and private addresses have privileges.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::domain::client_key::ClientKey;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What proxies write into a request that they pass on, apart from who the client is.
const OTHER_SIGNS_OF_A_PROXY: [HeaderName; 6] = [
    header::VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
];

/// Whether a proxy has passed this request on.
pub(super) fn is_passed_on(headers: &HeaderMap) -> bool {
    [header::FORWARDED, X_FORWARDED_FOR].iter().chain(&OTHER_SIGNS_OF_A_PROXY).any(|sign| headers.contains_key(sign))
}

/// Tells clients apart, by their addresses. The one place where a [`ClientKey`] is made.
#[derive(Clone, Debug)]
pub struct Clients {
    pub proxies: TrustedProxies,
    /// Bits of an IPv6 address that make up a client.
    pub ipv6_prefix: u8,
}

/// Where a request came from.
#[derive(Clone, Copy)]
pub(super) struct Client {
    /// `None` if nobody can tell.
    pub(super) address: Option<IpAddr>,
    pub(super) key: ClientKey,
    /// Whether a trusted proxy has passed the request on, or sent it.
    pub(super) through_trusted_proxy: bool,
}

impl Clients {
    /// Whom a connection from `peer` counts for; `None` for a trusted proxy, behind which there are many.
    pub(super) fn of_connection(&self, peer: IpAddr) -> Option<ClientKey> {
        (!self.proxies.trust(peer)).then(|| self.key(peer))
    }

    /// Who sent a request that came from `peer`.
    pub(super) fn of_request(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let address = self.proxies.client_address(peer, headers);
        let key = address.map_or(ClientKey::Unknown, |address| self.key(address));
        Client { address, key, through_trusted_proxy: self.proxies.trust(peer) }
    }

    fn key(&self, address: IpAddr) -> ClientKey {
        ClientKey::from_address(address, self.ipv6_prefix)
    }
}

/// The networks whose word about clients is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = ipnet::AddrParseError;

    /// Reads addresses and networks, separated by commas. Nothing is nobody.
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
    /// Whether `address` is a trusted proxy's.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address, when `peer` is at the other end of the connection; `None` if nobody can tell.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if self.trust(peer) { self.client_behind(peer, headers) } else { Some(peer) }
    }

    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let forwarded = self.walk(elements(headers, &header::FORWARDED).map(forwarded_for));
        let x_forwarded_for = self.walk(elements(headers, &X_FORWARDED_FOR).map(node));
        match (forwarded, x_forwarded_for) {
            (Chain::Unreadable, _) | (_, Chain::Unreadable) => None,
            // It asks for itself, unless it has passed something on and does not say for whom.
            (Chain::Absent, Chain::Absent) => (!is_passed_on(headers)).then_some(peer),
            (Chain::Client(one), Chain::Client(other)) | (Chain::Proxies(one), Chain::Proxies(other)) => {
                (one == other).then_some(one)
            }
            (Chain::Client(client), _) | (_, Chain::Client(client)) => Some(client),
            (Chain::Proxies(proxy), Chain::Absent) | (Chain::Absent, Chain::Proxies(proxy)) => Some(proxy),
        }
    }

    /// Goes hop by hop away from us, until a hop is no trusted proxy or cannot be read.
    fn walk(&self, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> Chain {
        let mut chain = Chain::Absent;
        for hop in hops.rev() {
            match hop {
                Some(address) if self.trust(address) => chain = Chain::Proxies(address),
                Some(address) => return Chain::Client(address),
                None => return Chain::Unreadable,
            }
        }
        chain
    }
}

/// What a header says of the hops that a request has taken.
enum Chain {
    /// There is no such header.
    Absent,
    /// The nearest hop that is no trusted proxy.
    Client(IpAddr),
    /// All of them are trusted proxies; the one farthest away.
    Proxies(IpAddr),
    /// It breaks off before a client is found.
    Unreadable,
}

/// The elements of a list header, over all of its lines. A value that is not text is one element that nobody can read.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().flat_map(|line| split(line.to_str().unwrap_or_default(), ','))
}

/// The parts between separators that stand outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let separates = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
    .map(str::trim)
    .collect()
}

/// The address in the `for` of one element of `Forwarded`. Of two, nobody knows which one is meant.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut values = split(element, ';').into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    match value.strip_prefix('"') {
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

/// An address with or without a port, an IPv6 address in brackets or bare. `unknown` and made-up names are no addresses.
fn node(text: &str) -> Option<IpAddr> {
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

    /// The address that is found behind a peer with these headers, where 10.0.0.0/8 and fd00::/8 are proxies.
    fn found(peer: &str, headers: &[(&HeaderName, &str)]) -> String {
        let proxies: TrustedProxies = "10.0.0.0/8, fd00::/8".parse().expect("networks");
        let headers = headers.iter().map(|(name, value)| {
            ((*name).clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value for a header"))
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        let address = proxies.client_address(peer.parse().expect("an address"), &map);
        address.map_or_else(|| UNKNOWN.to_owned(), |address| address.to_string())
    }

    #[test]
    fn who_is_no_proxy_is_the_client_whatever_it_says() {
        assert_eq!(found("1.2.3.4", &[(&X_FORWARDED_FOR, "9.9.9.9"), (&header::FORWARDED, "for=9.9.9.9")]), "1.2.3.4");
        assert_eq!(found("::ffff:1.2.3.4", &[]), "1.2.3.4");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_up_to_who_is_no_proxy() {
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
            // All of them proxies: the one farthest away.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("1.2.3.4, garbage, 10.0.0.2", UNKNOWN),
            ("1.2.3.4, unknown", UNKNOWN),
            ("1.2.3.4,", UNKNOWN),
            ("1.2.3.4, \u{e9}", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(found(PEER, &[(&X_FORWARDED_FOR, value)]), client, "{value}");
        }
    }

    #[test]
    fn a_header_on_several_lines_is_one_list() {
        assert_eq!(found(PEER, &[(&X_FORWARDED_FOR, "9.9.9.9"), (&X_FORWARDED_FOR, "1.2.3.4, 10.0.0.2")]), "1.2.3.4");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_brackets_and_ports() {
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
            assert_eq!(found(PEER, &[(&header::FORWARDED, value)]), client, "{value}");
        }
    }

    #[test]
    fn of_two_headers_that_disagree_or_cannot_be_read_neither_is_believed() {
        let both = |one, other| found(PEER, &[(&header::FORWARDED, one), (&X_FORWARDED_FOR, other)]);
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
    fn a_trusted_proxy_is_the_client_only_of_what_it_asks_itself() {
        assert_eq!(found(PEER, &[]), PEER);
        for sign in &OTHER_SIGNS_OF_A_PROXY {
            assert_eq!(found(PEER, &[(sign, "1.2.3.4")]), UNKNOWN, "{sign}");
            assert_eq!(found(PEER, &[(sign, "1.2.3.4"), (&X_FORWARDED_FOR, "9.9.9.9")]), "9.9.9.9", "{sign}");
            assert_eq!(found("1.2.3.4", &[(sign, "9.9.9.9")]), "1.2.3.4", "{sign}");
        }
    }

    #[test]
    fn a_connection_of_a_trusted_proxy_counts_for_nobody_and_a_request_of_nobody_knows_whom_as_unknown() {
        let proxies = "10.0.0.0/8".parse().expect("a network");
        let clients = Clients { proxies, ipv6_prefix: 56 };
        let address = |text: &str| text.parse().expect("an address");
        assert_eq!(clients.of_connection(address(PEER)), None);
        let [one, other] = ["2001:db8:0:12::1", "2001:db8:0:34::1"].map(|peer| clients.of_connection(address(peer)));
        assert!(one.is_some() && one == other, "56 bits make up a client");
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("?"));
        let client = clients.of_request(address(PEER), &headers);
        assert_eq!((client.address, client.key), (None, ClientKey::Unknown));
    }

    #[test]
    fn proxies_are_addresses_and_networks_and_nothing_else() {
        let read = |text: &str| text.parse::<TrustedProxies>();
        assert_eq!(read("").expect("nobody"), TrustedProxies::default());
        let proxies = read("10.0.0.0/8 , ::1,::ffff:192.0.2.7,").expect("networks");
        for (address, trusted) in [
            ("10.9.9.9", true),
            ("::ffff:10.1.1.1", true),
            ("::1", true),
            ("192.0.2.7", true),
            ("::2", false),
            ("11.0.0.1", false),
        ] {
            assert_eq!(proxies.trust(address.parse().expect("an address")), trusted, "{address}");
        }
        for text in ["10.0.0.0/33", "localhost", "10.0.0.1:80", "10.0.0", "*"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
