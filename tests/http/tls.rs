//! TLS in the process: certificates, their replacement, and HTTP/1.1 over TLS.

use std::fs;
use std::process::Command;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::certificates::Authority;
use crate::support::client::{Client, User};
use crate::support::raw::Raw;
use crate::support::server::{command, failure};
use crate::support::socket::{Socket, events_of};
use crate::support::stream::{self, Stream};
use crate::support::tls::{HOST, TlsServer};
use crate::support::{TIMEOUT, eventually};

/// Reads until the server closes the connection, which it must do in time.
async fn rest(connection: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let _ = timeout(TIMEOUT, connection.read_to_end(&mut received)).await.expect("the server closes in time");
    received
}

#[test]
fn a_certificate_that_cannot_be_used_prevents_the_start_and_the_setting_is_named() {
    let authority = Authority::new();
    for file in ["server", "other"] {
        authority.sign(file, HOST);
    }
    let files = ["server.pem", "server.key", "other.key", "none"].map(|name| authority.setting(name));
    let [certificate, key, other, none] = files.each_ref().map(String::as_str);
    for (certificate, key, named, reason) in [
        (certificate, "", "TLS_KEY_FILE", "must be set too, as TLS_CERT_FILE is set"),
        ("", key, "TLS_CERT_FILE", "must be set too, as TLS_KEY_FILE is set"),
        (none, key, "TLS_CERT_FILE", "must be a readable file"),
        (certificate, none, "TLS_KEY_FILE", "must be a readable file"),
        (key, key, "TLS_CERT_FILE", "must hold a certificate in PEM"),
        (certificate, certificate, "TLS_KEY_FILE", "must hold a key in PEM"),
        (certificate, other, "TLS_KEY_FILE", "must be the key of the certificate"),
    ] {
        let error = failure(&[("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)]);
        assert!(error.contains(&format!("{named}: {reason}")), "{error}");
    }
}

#[tokio::test]
async fn the_protocol_is_chosen_by_alpn_and_plain_http_is_not_answered() {
    let tls = TlsServer::with(&[("REQUEST_TIMEOUT", "4s")]);
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["http/1.1"][..], Some("http/1.1")),
        (&[][..], None),
    ] {
        let mut connection = tls.connect(offered).await;
        assert_eq!(connection.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        if chosen != Some("h2") {
            let request = "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            connection.write_all(request.as_bytes()).await.expect("an open connection");
            let mut response = String::new();
            let _ = connection.read_to_string(&mut response).await;
            assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        }
    }
    assert!(tls.try_connect(&["h3"]).await.is_err(), "a client that speaks nothing that the server speaks");
    let mut plain = Raw::sending(tls.server.address(), "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!rest(&mut plain.0).await.starts_with(b"HTTP"));
    // A handshake that never begins, and one that never ends.
    let silent =
        [&b""[..], b"\x16\x03\x01"].map(async |sent| rest(&mut Raw::sending(tls.server.address(), sent).await.0).await);
    assert_eq!(join_all(silent).await, [b"", b""]);
    tls.server.assert_no_panic();
}

#[tokio::test]
async fn sockets_and_streams_work_over_tls_and_stay_open_when_the_certificate_is_replaced() {
    let tls = TlsServer::with(&[]);
    let tunnel = tls.tunnel().await;
    let client = Client::at(&tunnel.address());
    let room = client.create_room().await;
    let mut user = User::of(Client::at(&tunnel.address()));
    let mut socket = Socket::ready(&tunnel.address()).await;
    socket.follow("1", &client, &room).await;
    let subscribe = json!({ "query": events_of(&room) });
    let request = stream::http().post(client.url()).header("accept", "text/event-stream").json(&subscribe);
    let mut events = Stream::open(request).await;
    events.block().await.expect("the start");
    user.send(&room, "before").await;
    assert_eq!(socket.next_text("1").await, "before");
    assert!(events.until("before").await.is_some());

    let replacement = Authority::new();
    replacement.sign("server", HOST);
    let replace = |name: &str, text: Vec<u8>| fs::write(tls.authority.file(name), text).expect("a file");
    for name in ["server.pem", "server.key", "ca.pem"] {
        replace(name, fs::read(replacement.file(name)).expect("a file"));
    }
    // The clients of `tls` now trust the replacement alone.
    eventually("new connections get the new certificate", async || tls.try_connect(&[]).await.is_ok()).await;
    user.send(&room, "after").await;
    assert_eq!(socket.next_text("1").await, "after");
    assert!(events.until("after").await.is_some());

    replace("server.key", b"not a key".to_vec());
    eventually("the log names the file", async || tls.server.log().contains("TLS_KEY_FILE must hold a key")).await;
    assert!(tls.try_connect(&[]).await.is_ok(), "the former certificate stays in use");
    assert!(!tls.server.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn keys_may_have_any_of_their_usual_forms_and_the_health_check_speaks_tls() {
    let authority = Authority::new();
    authority.sign("server", HOST);
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(authority.path()).output();
        assert!(done.as_ref().is_ok_and(|done| done.status.success()), "{done:?}");
    };
    openssl("ec -in server.key -out sec1.key");
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout pkcs8.key -out rsa.pem");
    openssl("rsa -in pkcs8.key -traditional -out pkcs1.key");
    for (certificate, key, form) in [
        ("server.pem", "server.key", "BEGIN PRIVATE KEY"),
        ("server.pem", "sec1.key", "BEGIN EC PRIVATE KEY"),
        ("rsa.pem", "pkcs1.key", "BEGIN RSA PRIVATE KEY"),
    ] {
        assert!(fs::read_to_string(authority.file(key)).expect("a file").contains(form), "{form}");
        let (certificate, key) = (authority.setting(certificate), authority.setting(key));
        let files = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
        let server = crate::support::server::Server::with(&files);
        let directory = tempfile::tempdir().expect("a directory");
        let checked = command(directory.path(), &[&files[..], &[("LISTEN_ADDR", server.address())]].concat())
            .arg("healthcheck")
            .output()
            .expect("a health check");
        assert!(checked.status.success(), "{checked:?}");
    }
}
