//! The metrics of single features: presence, identities, trusted documents, and limits on what clients hold at once.

use std::fs;

use serde_json::{Value, json};

use crate::support::client::{User, error_code};
use crate::support::eventually;
use crate::support::identities::{Site, seconds_from_now};
use crate::support::owner::OwnedRoom;
use crate::support::presence::{Member, PresenceReader};
use crate::support::scrape::Scrape;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn presence_readers_present_users_and_updates_are_counted() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let ada = Member::join(&client, &room, "Ada").await;
    let mut reader = PresenceReader::open_as(server.address(), &room, &ada).await;
    let guest = PresenceReader::open(server.address(), &room, None).await;
    ada.set_typing(&client, &room).await;
    while reader.typing.is_empty() {
        reader.update().await;
    }
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.value("livechat_presence_readers", &[]), 2.0);
    assert_eq!(scrape.value("livechat_users_present", &[]), 1.0, "a guest is not shown");
    assert_eq!(scrape.value("livechat_presence_updates_total", &[("kind", "snapshot")]), 2.0);
    assert!(scrape.value("livechat_presence_updates_total", &[("kind", "typing")]) >= 1.0);

    drop((reader, guest));
    eventually("nobody is present", || async {
        let scrape = Scrape::of(&server).await;
        scrape.value("livechat_presence_readers", &[]) + scrape.value("livechat_users_present", &[]) == 0.0
    })
    .await;
}

#[tokio::test]
async fn refused_identities_are_counted_by_reason_and_unusable_keys_are_reported() {
    let site = Site::new();
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("jwks.json");
    fs::write(&keys, site.jwks()).expect("a file");
    let server = Server::in_directory(directory, &[("IDENTITY", "required"), ("IDENTITY_KEYS", "jwks.json")]);
    let room = server.client().create_room().await;
    let later = seconds_from_now(100);
    for (token, code) in [
        (Some(site.identity("ada")), None),
        (None, Some("IDENTITY_REQUIRED")),
        (Some(site.identity_with("ada", "exp", seconds_from_now(-40))), Some("IDENTITY_EXPIRED")),
        (Some(site.identity_with("ada", "nbf", later)), Some("IDENTITY_INVALID")),
        (Some(site.identity_with("ada", "name", "")), Some("IDENTITY_INVALID")),
        (Some(Site::new().identity("ada")), Some("IDENTITY_INVALID")),
    ] {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": "hello", "token": token });
        let response = server.client().mutate("sendMessage", input, "token").await;
        let found = response.get("errors").map(|_| error_code(&response));
        assert_eq!(found.as_deref(), code, "{response}");
    }
    let scrape = Scrape::of(&server).await;
    for reason in ["missing", "expired", "not_yet_valid", "wrong_claims", "wrong_signature"] {
        assert_eq!(scrape.value("livechat_identity_refusals_total", &[("reason", reason)]), 1.0, "{reason}");
    }
    assert_eq!(scrape.value("livechat_identity_keys", &[]), 1.0);
    assert_eq!(scrape.value("livechat_identity_keys_stale", &[]), 0.0);
    let read_at = "livechat_identity_keys_read_timestamp_seconds";
    let first_read = scrape.value(read_at, &[]);
    assert!(first_read > 1_700_000_000.0, "{first_read}");
    assert!(!scrape.0.contains("ada"), "no label names a user");

    fs::write(&keys, "{").expect("a file");
    eventually("the keys are stale", || async {
        Scrape::of(&server).await.value("livechat_identity_keys_stale", &[]) == 1.0
    })
    .await;
    fs::write(&keys, site.jwks()).expect("a file");
    eventually("the keys are current again", || async {
        Scrape::of(&server).await.value("livechat_identity_keys_stale", &[]) == 0.0
    })
    .await;
    assert!(Scrape::of(&server).await.value(read_at, &[]) > first_read);
}

#[tokio::test]
async fn held_and_refused_amounts_of_limits_are_counted() {
    let limits =
        [("MAX_SUBSCRIPTIONS_PER_CLIENT", "1"), ("MAX_SUBSCRIPTIONS", "7"), ("MAX_DISTINCT_SUBSCRIPTIONS", "9")];
    let server = Server::with(&limits);
    let room = server.client().create_room().await;
    let start = server.client().cursor(&room).await;
    let reader = Subscriber::open(server.address(), &room, Some(start)).await;
    server.client().wait_for_viewers(&room, 1).await;
    let refused = PresenceReader::try_open(server.address(), &room, None).await;
    assert_eq!(refused.err().as_deref(), Some("TOO_MANY_SUBSCRIPTIONS"));

    let scrape = Scrape::of(&server).await;
    for (name, limit, value) in [
        ("livechat_limit_held", "subscriptions", 1.0),
        ("livechat_limit_held", "distinct_subscriptions", 1.0),
        ("livechat_limit_held", "operations", 0.0),
        ("livechat_limit_max", "subscriptions", 7.0),
        ("livechat_limit_max", "distinct_subscriptions", 9.0),
        ("livechat_limit_max", "operations", 1_024.0),
        ("livechat_limit_max", "unsent_bytes", 536_870_912.0),
        ("livechat_limit_max", "legacy_reads", 64.0),
    ] {
        assert_eq!(scrape.value(name, &[("limit", limit)]), value, "{name} {limit}");
    }
    let refusals =
        |scope| scrape.value("livechat_limit_refusals_total", &[("limit", "subscriptions"), ("scope", scope)]);
    assert_eq!((refusals("client"), refusals("all")), (1.0, 0.0));
    drop(reader);
}

#[tokio::test]
async fn refusals_by_the_rules_of_rooms_and_by_trusted_documents_are_outcomes() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("documents.json"), r#"{ "id-1": "{ __typename }" }"#).expect("a file");
    let trusting = Server::in_directory(directory, &[("TRUSTED_DOCUMENTS", "documents.json")]);
    assert_eq!(trusting.client().code("{ activeRooms { totalCount } }", json!({})).await, "DOCUMENT_NOT_TRUSTED");
    let scrape = Scrape::of(&trusting).await;
    assert_eq!(scrape.operations("graphql", "none", "DOCUMENT_NOT_TRUSTED"), 1.0);
    assert!(scrape.value("livechat_trusted_documents", &[]) > 1.0, "those of the chat page run, too");

    let server = Server::embedded();
    let room = OwnedRoom::create(&server.client()).await;
    let mut eve = User::of(server.client());
    eve.send(&room.key, "hello").await;
    room.ban(&eve, json!({})).await;
    let refused = eve.try_send(&room.key, "again").await.expect("a response");
    assert_eq!(error_code(&refused), "USER_BANNED");
    let locked = room.update(json!({ "locked": true })).await;
    assert_eq!(locked["locked"], Value::Bool(true));
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.operations("graphql", "banUser", "OK"), 1.0);
    assert_eq!(scrape.operations("graphql", "updateRoom", "OK"), 1.0);
    assert_eq!(scrape.operations("graphql", "sendMessage", "USER_BANNED"), 1.0);
    assert_eq!(scrape.value("livechat_trusted_documents", &[]), 0.0, "any document may run");
}
