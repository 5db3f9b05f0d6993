//! The permissions that docs/operations.md grants to the Redis user: they are sufficient, and all of them are needed.

use std::path::Path;

use livechat::store::redis::{RedisStore, Settings};

use crate::store::migrate::run_migration;
use crate::support::client::{User, error_code};
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_cluster::RedisCluster;
use crate::support::redis_server::RedisServer;
use crate::support::rest::RestUser;
use crate::support::server::{Server, failure};
use crate::support::subscriber::Subscriber;

/// The words of the documented ACL line for a single Redis.
fn documented() -> Vec<String> {
    documented_line(0)
}

/// The words of the additional ACL line for a cluster.
fn documented_for_clusters() -> Vec<String> {
    documented_line(1)
}

fn documented_line(number: usize) -> Vec<String> {
    let page = include_str!("../../docs/operations.md");
    let line = page.lines().filter(|line| line.starts_with("ACL SETUSER livechat ")).nth(number);
    let words = line.expect("a line in the page").split_whitespace();
    words.map(|word| word.replace(">password", ">open-sesame")).collect()
}

async fn run_command(redis: &RedisServer, words: &[String]) {
    redis.command(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// A Redis with that user, and the user's URL.
async fn redis_with_user() -> (RedisServer, String) {
    let redis = RedisServer::start().await;
    run_command(&redis, &documented()).await;
    let url = format!("redis://livechat:open-sesame@{}/", redis.address());
    (redis, url)
}

/// Connects, which must fail, and returns the error with its causes.
async fn connect_error(url: &str, prefix: &str) -> String {
    let result = RedisStore::connect(Settings::new(url, prefix).expect("settings")).await;
    let Some(error) = result.err() else { return "connected".to_owned() };
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_the_documented_permissions() {
    let (redis, url) = redis_with_user().await;
    assert_everything_works(&url, &[&redis]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_on_a_cluster_with_the_documented_permissions() {
    let cluster = RedisCluster::with(3, 0, &[]).await;
    let nodes = [0, 1, 2].map(|number| cluster.node(number));
    for node in nodes {
        run_command(node, &documented()).await;
        run_command(node, &documented_for_clusters()).await;
    }
    let addresses = nodes.map(RedisServer::address).join(",");
    assert_everything_works(&format!("redis://livechat:open-sesame@{addresses}"), &nodes).await;
}

/// Uses every feature, and asserts that none of `nodes` has denied a command.
async fn assert_everything_works(url: &str, nodes: &[&RedisServer]) {
    let mut embedded = Server::embedded();
    let room = embedded.client().create_room().await;
    User::of(embedded.client()).send(&room, "from the other store").await;
    assert!(embedded.terminate().await.success());
    let report = run_migration(&embedded.data(), url);
    assert!(report.contains("Rooms: 1 copied"), "{report}");

    let servers = [(); 2].map(|()| Server::with(&[("REDIS_URL", url), ("RATE_LIMITS", "on")]));
    let client = servers[0].client();
    assert_eq!(client.texts(&room).await, [Some("from the other store".to_owned())]);
    let mut reader = Subscriber::open(servers[1].address(), &room, None).await;
    client.wait_for_viewers(&room, 1).await;
    RestUser::of(servers[0].address(), "a user over REST".to_owned()).send(&room, "over REST").await;
    assert_eq!(reader.event().await["message"]["text"], "over REST");
    let mut wrong = room.clone();
    wrong.code = "000000".chars().map(|c| if room.code.starts_with(c) { '1' } else { c }).collect();
    let answer = User::of(client.clone()).try_send(&wrong, "no").await.expect("an answer");
    assert_eq!(error_code(&answer), "ROOM_CODE_INVALID");
    let mut ada = User::of(client.clone());
    ada.send(&room, "yes").await;
    ada.token = Some("0".repeat(32));
    let answer = ada.try_send(&room, "no").await.expect("an answer");
    assert_eq!(error_code(&answer), "TOKEN_INVALID");
    client.data("{ activeRooms(first: 5) { totalCount } }", serde_json::Value::Null).await;
    let calm = Server::with(&[("REDIS_URL", url)]);
    Crowd::start(calm.address()).await.settle_and_check().await;
    for node in nodes {
        let mut log = redis::cmd("ACL");
        let denied: Vec<redis::Value> =
            log.arg("LOG").query_async(&mut node.connection().await).await.expect("the ACL log");
        assert!(denied.is_empty(), "{denied:?}");
    }
}

#[tokio::test]
async fn each_missing_permission_is_named_at_start() {
    let (redis, url) = redis_with_user().await;
    let user = |word: &str| ["ACL", "SETUSER", "livechat", word].map(str::to_owned);
    for command in documented().iter().filter_map(|word| word.strip_prefix('+')) {
        // It is optional.
        if command == "info" {
            continue;
        }
        run_command(&redis, &user(&format!("-{command}"))).await;
        redis.command(&["SCRIPT", "FLUSH"]).await;
        let error = connect_error(&url, "livechat").await.to_lowercase();
        assert!(error.contains("the user lacks a permission") && error.contains(command), "without {command}: {error}");
        run_command(&redis, &user(&format!("+{command}"))).await;
    }
    for reset in ["resetkeys", "resetchannels"] {
        run_command(&redis, &user(reset)).await;
        let error = connect_error(&url, "livechat").await;
        assert!(error.contains("the user lacks a permission"), "after {reset}: {error}");
        run_command(&redis, &documented()).await;
    }
    let error = failure(&[("REDIS_URL", &url.replace("sesame", "barley"))]);
    assert!(error.contains("it rejected the user or the password") && !error.contains("barley"), "{error}");
    let other = connect_error(&url, "another").await;
    assert!(other.contains("the user lacks a permission"), "{other}");
}

#[tokio::test]
async fn permission_revoked_later_is_an_outage_that_the_log_explains() {
    let (redis, url) = redis_with_user().await;
    let server = Server::with(&[("REDIS_URL", &url)]);
    let room = server.client().create_room().await;
    // The call of a script, and the first command inside it.
    for command in ["evalsha", "get"] {
        redis.command(&["ACL", "SETUSER", "livechat", &format!("-{command}")]).await;
        let answer = User::of(server.client()).try_send(&room, "no").await.expect("an answer");
        assert_eq!(error_code(&answer), "UNAVAILABLE", "without {command}");
        redis.command(&["ACL", "SETUSER", "livechat", &format!("+{command}")]).await;
        User::of(server.client()).send(&room, "yes").await;
    }
    let count = || server.log().matches("the Redis user lacks a permission").count();
    eventually("the log says what is missing", async || count() >= 2).await;
}

#[test]
fn every_command_of_a_script_is_checked_at_start_and_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/redis/scripts");
    let (checked, documented) = (include_str!("../../src/store/redis/scripts/acl.lua"), documented());
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if file.extension().is_none_or(|extension| extension != "lua") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a text file");
        for call in text.split("call('").skip(1) {
            let name = call.split('\'').next().unwrap_or_default();
            seen += 1;
            assert!(checked.contains(&format!("'{name}'")), "{name} of {} is not checked", file.display());
            assert!(documented.contains(&format!("+{}", name.to_lowercase())), "{name} is not documented");
        }
    }
    assert!(seen > 50, "this test no longer finds the calls");
}
