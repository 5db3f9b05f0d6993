//! Proxies with the mistakes that docs/troubleshooting.md describes: what clients see, and that the answer on that page helps.

use serde_json::json;

use crate::support::client::{Client, error_code};
use crate::support::nginx::Nginx;
use crate::support::server::Server;
use crate::support::socket::{PROTOCOL, Refused, Socket};
use crate::support::stream::{Stream, post};
use crate::support::subscriber::EVENTS;

const UPGRADE: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                       proxy_set_header Connection upgrade;";

/// The status and error code of a WebSocket handshake through nginx, with these header lines.
async fn handshake(nginx: &Nginx, headers: &str) -> (u16, String) {
    let headers = format!("sec-websocket-protocol: {PROTOCOL}\r\n{headers}");
    match Socket::with_headers(nginx.address(), &headers).await {
        Ok(_) => (101, String::new()),
        Err(Refused(status, code)) => (status, code),
    }
}

#[tokio::test]
async fn sockets_get_400_from_a_proxy_that_does_not_upgrade() {
    let server = Server::embedded();
    let nginx = Nginx::minimal_before(server.address());
    assert_eq!(handshake(&nginx, "").await, (400, "BAD_REQUEST".to_owned()));
    let nginx = Nginx::with_directives(server.address(), UPGRADE);
    assert_eq!(handshake(&nginx, "").await.0, 101);
}

#[tokio::test]
async fn own_pages_get_403_from_a_proxy_that_replaces_the_host() {
    let server = Server::with(&[("CORS_ORIGINS", "https://another.example")]);
    let status_with = async |directives: &str| {
        let nginx = Nginx::with_directives(server.address(), &format!("{UPGRADE} {directives}"));
        handshake(&nginx, &format!("origin: http://{}\r\n", nginx.address())).await
    };
    assert_eq!(status_with("").await, (403, "ORIGIN_NOT_ALLOWED".to_owned()));
    assert_eq!(status_with("proxy_set_header Host $http_host;").await.0, 101);
    assert_eq!(status_with("proxy_set_header X-Forwarded-Host $http_host;").await.0, 101);
}

#[tokio::test]
async fn all_clients_share_the_limits_of_a_proxy_that_is_not_trusted() {
    let forward = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let limits = [("RATE_LIMITS", "on"), ("RATE_ROOMS_PER_ADDRESS", "1/h:1")];
    let trusting = [&limits[..], &[("TRUSTED_PROXIES", "127.0.0.1")]].concat();
    for (settings, second) in [(&limits[..], "RATE_LIMITED"), (&trusting, "")] {
        let server = Server::with(settings);
        let nginx = Nginx::with_directives(server.address(), forward);
        let mut codes = Vec::new();
        for last_octet in [2, 3] {
            let client =
                Client::from_address(format!("http://{}/graphql", nginx.address()), [127, 0, 0, last_octet].into());
            let response = client.request("mutation { createRoom { room { id } } }", json!({})).await;
            codes.push(response.get("errors").map_or_else(String::new, |_| error_code(&response)));
        }
        assert_eq!(codes, ["", second], "{settings:?}");
    }
}

#[tokio::test]
async fn streams_end_at_a_proxy_that_waits_less_than_the_keep_alive_interval() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "1h")]);
    let room = server.client().create_room().await;
    let nginx = Nginx::with_directives(server.address(), "proxy_read_timeout 1s;");
    let url = format!("http://{}/graphql", nginx.address());
    let variables = json!({ "roomId": room.id, "roomCode": room.code });
    let stream = Stream::open(post(&url, "text/event-stream", EVENTS, variables)).await;
    // Ends without an event: nginx cuts the response.
    let rest = stream.rest().await;
    assert!(!rest.contains("event: next"), "{rest}");
}
