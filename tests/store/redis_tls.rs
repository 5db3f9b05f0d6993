//! Redis over TLS: it works with authorities and certificates of one's own, and whatever is wrong is told at start, by the
//! name of the setting to look at.

use crate::support::certificates::Authority;
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::server::{Server, failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_wants_a_certificate_of_ours_is_used_over_tls_and_found_again() {
    let authority = Authority::new();
    authority.sign("redis", "127.0.0.1");
    authority.sign("ours", "livechat");
    let mut redis = RedisServer::start_with_tls(&authority, true).await;
    let server = Server::with(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_CA_FILE", &authority.named("ca.pem")),
        ("REDIS_CERT_FILE", &authority.named("ours.pem")),
        ("REDIS_KEY_FILE", &authority.named("ours.key")),
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
async fn tls_can_be_had_with_host_and_port_too() {
    let authority = Authority::new();
    authority.sign("redis", "127.0.0.1");
    let redis = RedisServer::start_with_tls(&authority, false).await;
    let address = redis.address();
    let (host, port) = address.split_once(':').expect("host and port");
    let ca = authority.named("ca.pem");
    let server =
        Server::with(&[("REDIS_HOST", host), ("REDIS_PORT", port), ("REDIS_TLS", "on"), ("REDIS_CA_FILE", &ca)]);
    assert_eq!(server.status("/readyz").await, 200);
}

#[tokio::test]
async fn a_redis_that_cannot_be_trusted_or_does_not_trust_us_is_told_of_at_start() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.sign("redis", "127.0.0.1");
    authority.sign("other-name", "redis.example");
    authority.sign_until("expired", "127.0.0.1", 2020);
    stranger.sign("ours", "livechat");
    let redis = RedisServer::start_with_tls(&authority, true).await;
    let mut admin = redis.connection().await;
    let (url, ca, theirs) = (redis.url(), authority.named("ca.pem"), stranger.named("ca.pem"));
    let ours = |by: &Authority, file: &str| (by.named(&format!("{file}.pem")), by.named(&format!("{file}.key")));
    let start = |url: &str, more: &[(&str, &str)]| failure(&[&[("REDIS_URL", url)], more].concat());

    for (more, says) in [
        (&[][..], "set REDIS_CA_FILE"),
        (&[("REDIS_CA_FILE", &*theirs)], "set REDIS_CA_FILE"),
        (&[("REDIS_CA_FILE", &*ca)], "set REDIS_CERT_FILE and REDIS_KEY_FILE"),
    ] {
        let said = start(&url, more);
        assert!(said.contains(says) && said.contains(&redis.address()), "{more:?}: {said}");
    }
    for (certificate, key) in [ours(&stranger, "ours"), ours(&authority, "expired")] {
        let files = [("REDIS_CA_FILE", &*ca), ("REDIS_CERT_FILE", &*certificate), ("REDIS_KEY_FILE", &*key)];
        let said = start(&url, &files);
        assert!(said.contains("it refuses our certificate; REDIS_CERT_FILE"), "{said}");
    }

    for (file, says) in [("other-name", "its certificate is for another name"), ("expired", "has expired")] {
        let (certificate, key) = ours(&authority, file);
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("tls-cert-file").arg(&certificate).arg("tls-key-file").arg(&key);
        set.exec_async(&mut admin).await.expect("another certificate");
        let said = start(&url, &[("REDIS_CA_FILE", &ca)]);
        assert!(said.contains(says), "{said}");
    }

    let plain = RedisServer::start().await;
    let said = start(&plain.url().replace("redis://", "rediss://"), &[("REDIS_WAIT", "0")]);
    assert!(said.contains("whether it speaks TLS there"), "{said}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_by_its_setting_before_anything_is_connected() {
    let authority = Authority::new();
    for name in ["one", "two"] {
        authority.sign(name, "livechat");
    }
    std::fs::write(authority.file("empty.pem"), "nothing\n").expect("a file");
    let file = |name: &str| authority.named(name);
    let (ca, missing, empty) = (file("ca.pem"), file("missing.pem"), file("empty.pem"));
    let (one, one_key, two_key) = (file("one.pem"), file("one.key"), file("two.key"));
    let tls = ("REDIS_URL", "rediss://127.0.0.1:1");
    for (settings, says) in [
        (&[tls, ("REDIS_CA_FILE", &*missing)][..], "REDIS_CA_FILE: must be a file that can be read"),
        (&[tls, ("REDIS_CA_FILE", &empty)], "REDIS_CA_FILE: must hold certificates in PEM"),
        (&[tls, ("REDIS_CERT_FILE", &one)], "REDIS_KEY_FILE: must be there"),
        (&[tls, ("REDIS_KEY_FILE", &one_key)], "REDIS_CERT_FILE: must be there"),
        (&[tls, ("REDIS_CERT_FILE", &one), ("REDIS_KEY_FILE", &two_key)], "REDIS_KEY_FILE: must be that of"),
        (&[tls, ("REDIS_CERT_FILE", &one), ("REDIS_KEY_FILE", &empty)], "REDIS_KEY_FILE: must hold a key"),
        (&[tls, ("REDIS_CERT_FILE", &empty), ("REDIS_KEY_FILE", &one_key)], "REDIS_CERT_FILE: must hold a certificate"),
        (
            &[("REDIS_URL", "redis://127.0.0.1:1"), ("REDIS_CA_FILE", &ca)],
            "REDIS_CA_FILE: must stand beside REDIS_TLS=on",
        ),
        (&[("REDIS_URL", "rediss://127.0.0.1:1/#insecure")], "REDIS_URL: must not end with #insecure"),
    ] {
        let said = failure(settings);
        assert!(said.contains(says), "{settings:?}: {said}");
    }
}
