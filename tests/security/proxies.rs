//! Which address counts as the client, with and without proxies. Shown by the limit of sockets per address.

use crate::support::server::Server;
use crate::support::socket::{PROTOCOL, Refused, Socket};

/// Opens a socket with these header lines.
async fn open(server: &Server, headers: &str) -> Result<Socket, Refused> {
    let headers = format!("sec-websocket-protocol: {PROTOCOL}\r\n{headers}");
    Socket::with_headers(server.address(), &headers).await.map(|(socket, _)| socket)
}

fn too_many_sockets() -> Option<Refused> {
    Some(Refused(429, "TOO_MANY_SOCKETS".to_owned()))
}

#[tokio::test]
async fn without_a_trusted_proxy_no_header_changes_the_client() {
    let server = Server::with(&[("MAX_SOCKETS_PER_ADDRESS", "1")]);
    let _first = open(&server, "").await.expect("a socket");
    for headers in [
        "x-forwarded-for: 1.2.3.4\r\n",
        "forwarded: for=1.2.3.4\r\n",
        "x-real-ip: 1.2.3.4\r\n",
        "x-forwarded-for: ?\r\n",
    ] {
        assert_eq!(open(&server, headers).await.err(), too_many_sockets(), "{headers}");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_clients_are_separate_and_cannot_forge_addresses() {
    let server = Server::with(&[("MAX_SOCKETS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.1")]);
    let _one = open(&server, "x-forwarded-for: 1.2.3.4\r\n").await.expect("a socket");
    let _other = open(&server, "forwarded: for=\"[2001:db8::1]:4711\";proto=https\r\n").await.expect("a socket");
    for headers in [
        "x-forwarded-for: 1.2.3.4\r\n",
        "x-forwarded-for: 1.2.3.4:9999\r\n",
        "x-forwarded-for: ::ffff:1.2.3.4\r\n",
        // The client itself wrote the entries on the left.
        "x-forwarded-for: 9.9.9.9, 1.2.3.4\r\n",
        "x-forwarded-for: 9.9.9.9\r\nx-forwarded-for: 1.2.3.4, 10.0.0.1\r\n",
        "forwarded: for=9.9.9.9, for=\"[2001:db8::1]\"\r\n",
    ] {
        assert_eq!(open(&server, headers).await.err(), too_many_sockets(), "{headers}");
    }
    // Headers that contradict each other leave the address of the client unknown. All unknown clients count as one, which is not
    // the proxy.
    let unknown = [
        "forwarded: for=9.9.9.9\r\nx-forwarded-for: 1.2.3.4\r\n",
        "forwarded: for=8.8.8.8\r\nx-forwarded-for: 1.2.3.4\r\n",
        "forwarded: for=_hidden\r\nx-forwarded-for: 7.7.7.7\r\n",
        "x-forwarded-for: 7.7.7.7, unknown\r\n",
        "x-real-ip: 7.7.7.7\r\n",
        "via: 1.1 somebody\r\n",
    ];
    let _unknown = open(&server, unknown[0]).await.expect("a socket");
    for headers in unknown {
        assert_eq!(open(&server, headers).await.err(), too_many_sockets(), "{headers}");
    }
    let _proxy = open(&server, "").await.expect("a socket");
    assert_eq!(open(&server, "").await.err(), too_many_sockets());
}
