//! Redis over TLS: private authorities and client certificates work, and errors are reported at start with the setting to
//! check.

use crate::support::certificates::Authority;
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, failure};

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_works_and_survives_reconnects() {
    let authority = Authority::new();
    authority.sign("redis", "127.0.0.1");
    authority.sign("client", "livechat");
    let mut redis = RedisServer::start_with_tls(&authority, true).await;
    let server = Server::with(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_CA_FILE", &authority.setting("ca.pem")),
        ("REDIS_CERT_FILE", &authority.setting("client.pem")),
        ("REDIS_KEY_FILE", &authority.setting("client.key")),
    ]);
    let crowd = Crowd::start(server.address()).await;
    for kind in ["normal", "pubsub"] {
        redis.command(&["CLIENT", "KILL", "TYPE", kind]).await;
    }
    crowd.wait_for_accepted(20).await;
    redis.kill();
    redis.restart().await;
    eventually("the server is ready again", async || server.status("/readyz").await == 200).await;
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn tls_works_with_host_and_port_settings() {
    let authority = Authority::new();
    authority.sign("redis", "127.0.0.1");
    let redis = RedisServer::start_with_tls(&authority, false).await;
    let address = redis.address();
    let (host, port) = address.split_once(':').expect("host and port");
    let ca = authority.setting("ca.pem");
    let server =
        Server::with(&[("REDIS_HOST", host), ("REDIS_PORT", port), ("REDIS_TLS", "on"), ("REDIS_CA_FILE", &ca)]);
    assert_eq!(server.status("/readyz").await, 200);
}

#[tokio::test]
async fn untrusted_certificates_of_either_side_are_reported_at_start() {
    let (authority, other_authority) = (Authority::new(), Authority::new());
    authority.sign("redis", "127.0.0.1");
    authority.sign("other-name", "redis.example");
    authority.sign_until("expired", "127.0.0.1", 2020);
    other_authority.sign("client", "livechat");
    let redis = RedisServer::start_with_tls(&authority, true).await;
    let mut admin = redis.connection().await;
    let (url, ca, other_ca) = (redis.url(), authority.setting("ca.pem"), other_authority.setting("ca.pem"));
    let pair = |of: &Authority, file: &str| (of.setting(&format!("{file}.pem")), of.setting(&format!("{file}.key")));
    let start_error = |url: &str, more: &[(&str, &str)]| failure(&[&[("REDIS_URL", url)], more].concat());

    for (more, advice) in [
        (&[][..], "set REDIS_CA_FILE"),
        (&[("REDIS_CA_FILE", &*other_ca)], "set REDIS_CA_FILE"),
        (&[("REDIS_CA_FILE", &*ca)], "set REDIS_CERT_FILE and REDIS_KEY_FILE"),
    ] {
        let error = start_error(&url, more);
        assert!(error.contains(advice) && error.contains(&redis.address()), "{more:?}: {error}");
    }
    for (certificate, key) in [pair(&other_authority, "client"), pair(&authority, "expired")] {
        let files = [("REDIS_CA_FILE", &*ca), ("REDIS_CERT_FILE", &*certificate), ("REDIS_KEY_FILE", &*key)];
        let error = start_error(&url, &files);
        assert!(error.contains("it rejected our client certificate; REDIS_CERT_FILE"), "{error}");
    }

    for (file, advice) in [("other-name", "its certificate is for another name"), ("expired", "has expired")] {
        let (certificate, key) = pair(&authority, file);
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("tls-cert-file").arg(&certificate).arg("tls-key-file").arg(&key);
        set.exec_async(&mut admin).await.expect("another certificate");
        let error = start_error(&url, &[("REDIS_CA_FILE", &ca)]);
        assert!(error.contains(advice), "{error}");
    }

    let plain = RedisServer::start().await;
    let error = start_error(&plain.url().replace("redis://", "rediss://"), &[("REDIS_WAIT", "0")]);
    assert!(error.contains("whether it expects TLS"), "{error}");
}

#[test]
fn invalid_certificate_file_is_reported_with_its_setting() {
    let authority = Authority::new();
    for name in ["one", "two"] {
        authority.sign(name, "livechat");
    }
    std::fs::write(authority.file("empty.pem"), "nothing\n").expect("a file");
    let file = |name: &str| authority.setting(name);
    let (ca, missing, empty) = (file("ca.pem"), file("missing.pem"), file("empty.pem"));
    let (one, one_key, two_key) = (file("one.pem"), file("one.key"), file("two.key"));
    let tls = ("REDIS_URL", "rediss://127.0.0.1:1");
    for (settings, advice) in [
        (&[tls, ("REDIS_CA_FILE", &*missing)][..], "REDIS_CA_FILE: must be a readable file"),
        (&[tls, ("REDIS_CA_FILE", &empty)], "REDIS_CA_FILE: must hold at least one certificate in PEM"),
        (&[tls, ("REDIS_CERT_FILE", &one)], "REDIS_KEY_FILE: must be set too"),
        (&[tls, ("REDIS_KEY_FILE", &one_key)], "REDIS_CERT_FILE: must be set too"),
        (&[tls, ("REDIS_CERT_FILE", &one), ("REDIS_KEY_FILE", &two_key)], "REDIS_KEY_FILE: must match the certificate"),
        (&[tls, ("REDIS_CERT_FILE", &one), ("REDIS_KEY_FILE", &empty)], "REDIS_KEY_FILE: must hold a key"),
        (&[tls, ("REDIS_CERT_FILE", &empty), ("REDIS_KEY_FILE", &one_key)], "REDIS_CERT_FILE: must hold a certificate"),
        (&[("REDIS_URL", "redis://127.0.0.1:1"), ("REDIS_CA_FILE", &ca)], "REDIS_CA_FILE: must not be set without TLS"),
        (&[("REDIS_URL", "rediss://127.0.0.1:1/#insecure")], "REDIS_URL: must not end with #insecure"),
    ] {
        let error = failure(settings);
        assert!(error.contains(advice), "{settings:?}: {error}");
    }
}
