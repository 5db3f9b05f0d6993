//! Which origins may read responses and open sockets.

use crate::support::http::{Answer, Client};
use crate::support::server::Server;
use crate::support::socket::{PROTOCOL, Refused, Socket};

const ALLOWED: &str = "https://chat.example";

/// The status of a handshake with these header lines.
async fn handshake(server: &Server, headers: &str) -> u16 {
    let headers = format!("sec-websocket-protocol: {PROTOCOL}\r\n{headers}");
    match Socket::with_headers(server.address(), &headers).await {
        Ok(_) => 101,
        Err(Refused(status, code)) => {
            assert_eq!(code, "ORIGIN_NOT_ALLOWED");
            status
        }
    }
}

#[tokio::test]
async fn only_allowed_origins_may_open_sockets() {
    let server = Server::with(&[("CORS_ORIGINS", "https://chat.example, http://localhost:3000")]);
    let own = server.address();
    let port = own.rsplit(':').next().expect("a port");
    for (headers, status) in [
        (String::new(), 101),
        (format!("origin: {ALLOWED}\r\n"), 101),
        ("origin: http://localhost:3000\r\n".to_owned(), 101),
        // The server's own pages, directly and behind a proxy that changes the host.
        (format!("origin: http://{own}\r\n"), 101),
        ("origin: https://proxy.example\r\nx-forwarded-host: proxy.example\r\n".to_owned(), 101),
        ("origin: https://proxy.example\r\nx-forwarded-host: proxy.example:443, inner\r\n".to_owned(), 101),
        ("origin: https://evil.example\r\n".to_owned(), 403),
        ("origin: http://chat.example\r\n".to_owned(), 403),
        ("origin: https://chat.example.evil.example\r\n".to_owned(), 403),
        ("origin: https://chat.example:8443\r\n".to_owned(), 403),
        (format!("origin: http://evil.example:{port}\r\n"), 403),
        ("origin: http://127.0.0.1\r\n".to_owned(), 403),
        ("origin: null\r\n".to_owned(), 403),
        (format!("origin: {ALLOWED}\r\norigin: https://evil.example\r\n"), 403),
    ] {
        assert_eq!(handshake(&server, &headers).await, status, "{headers}");
    }
}

#[tokio::test]
async fn by_default_every_origin_may_open_sockets() {
    let server = Server::embedded();
    for origin in ["https://evil.example", "null"] {
        assert_eq!(handshake(&server, &format!("origin: {origin}\r\n")).await, 101);
    }
}

#[tokio::test]
async fn only_allowed_origins_may_read_responses_and_never_with_credentials() {
    let any = Server::embedded();
    let some = Server::with(&[("CORS_ORIGINS", ALLOWED)]);
    for (server, origin, allowed) in [
        (&any, ALLOWED, Some("*")),
        (&any, "https://evil.example", Some("*")),
        (&some, ALLOWED, Some(ALLOWED)),
        (&some, "https://evil.example", None),
        (&some, "null", None),
    ] {
        let client = Client::of(&server.url(""));
        for method in ["GET", "POST", "OPTIONS"] {
            let request = client
                .request(method, "/graphql")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type");
            let answer = Answer::receive(request).await;
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{method} from {origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let vary =
                answer.headers.get_all("vary").iter().map(|value| value.to_str().expect("text")).collect::<String>();
            assert!(
                vary.contains("origin") || std::ptr::eq(server, &any),
                "caches must keep the responses apart: {vary:?}"
            );
        }
    }
}
