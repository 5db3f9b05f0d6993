//! Finds out who asks. The peer of a connection is the client, unless it is a proxy that is trusted: then the client is
//! whom the proxies name in `Forwarded` (RFC 7239) or `X-Forwarded-For`, read from the right as each proxy adds whom it
//! heard, up to the first address that is no trusted proxy. What stands left of it is hearsay.
//!
//! Most proxies write one of the two headers and hand through whatever a client wrote into the other. So a client that
//! both name has to be the same one. If it is not, neither header is believed.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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

    /// The client's address, when `peer` is at the other end of the connection.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.trust(peer) { self.client_behind(peer, headers) } else { peer }
    }

    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let forwarded = self.walk(peer, elements(headers, &header::FORWARDED).map(forwarded_for));
        let x_forwarded_for = self.walk(peer, elements(headers, &X_FORWARDED_FOR).map(node));
        match (forwarded, x_forwarded_for) {
            (Hop::Client(one), Hop::Client(other)) if one != other => peer,
            (Hop::Client(client), _) | (_, Hop::Client(client)) => client,
            (Hop::Proxy(proxy), Hop::Proxy(_)) if proxy != peer => proxy,
            (Hop::Proxy(_), Hop::Proxy(proxy)) => proxy,
        }
    }

    /// Goes from `peer` on, hop by hop away from us, until a hop is no trusted proxy or cannot be read.
    fn walk(&self, peer: IpAddr, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> Hop {
        let mut last = peer;
        for hop in hops.rev() {
            match hop {
                Some(address) if self.trust(address) => last = address,
                Some(address) => return Hop::Client(address),
                None => break,
            }
        }
        Hop::Proxy(last)
    }
}

/// Where a walk ended.
enum Hop {
    /// With somebody who is no trusted proxy.
    Client(IpAddr),
    /// With the last proxy that could be read.
    Proxy(IpAddr),
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
        proxies.client_address(peer.parse().expect("an address"), &map).to_string()
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
            ("1.2.3.4, garbage, 10.0.0.2", "10.0.0.2"),
            ("1.2.3.4, unknown", PEER),
            ("1.2.3.4,", PEER),
            ("1.2.3.4, \u{e9}", PEER),
            ("", PEER),
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
            ("for=1.2.3.4, for=_hidden", PEER),
            ("for=1.2.3.4, for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("for=1.2.3.4, proto=http", PEER),
            ("for=1.2.3.4;for=9.9.9.9", PEER),
            ("for=\"1.2.3.4", PEER),
            ("1.2.3.4", PEER),
        ] {
            assert_eq!(found(PEER, &[(&header::FORWARDED, value)]), client, "{value}");
        }
    }

    #[test]
    fn of_two_headers_that_name_different_clients_neither_is_believed() {
        let both = |one, other| found(PEER, &[(&header::FORWARDED, one), (&X_FORWARDED_FOR, other)]);
        assert_eq!(both("for=1.2.3.4", "1.2.3.4"), "1.2.3.4");
        assert_eq!(both("for=9.9.9.9", "1.2.3.4"), PEER);
        assert_eq!(both("for=1.2.3.4", "10.0.0.2"), "1.2.3.4");
        assert_eq!(both("for=unknown", "1.2.3.4"), "1.2.3.4");
        assert_eq!(both("for=10.0.0.3", "10.0.0.2"), "10.0.0.3");
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
