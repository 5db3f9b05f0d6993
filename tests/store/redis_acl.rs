//! The rights that docs/operations.md gives a user of Redis: with them everything works, and none is too much.

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

/// The words of the documented line with all rights that a single Redis has to give.
fn documented() -> Vec<String> {
    documented_line(0)
}

/// Those of the line with what a cluster has to give besides.
fn documented_for_clusters() -> Vec<String> {
    documented_line(1)
}

fn documented_line(number: usize) -> Vec<String> {
    let page = include_str!("../../docs/operations.md");
    let line = page.lines().filter(|line| line.starts_with("ACL SETUSER livechat ")).nth(number);
    let words = line.expect("a line in the page").split_whitespace();
    words.map(|word| word.replace(">password", ">open-sesame")).collect()
}

async fn run(redis: &RedisServer, words: &[String]) {
    redis.command(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// A Redis with that user, and where that user finds it.
async fn redis() -> (RedisServer, String) {
    let redis = RedisServer::start().await;
    run(&redis, &documented()).await;
    let url = format!("redis://livechat:open-sesame@{}/", redis.address());
    (redis, url)
}

/// What connecting says, which must fail.
async fn refusal(url: &str, prefix: &str) -> String {
    let refused = RedisStore::connect(Settings::new(url, prefix).expect("settings")).await;
    let Some(error) = refused.err() else { return "taken".to_owned() };
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_the_documented_rights() {
    let (redis, url) = redis().await;
    everything_works_on(&url, &[&redis]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_on_a_cluster_with_the_documented_rights() {
    let cluster = RedisCluster::with(3, 0, &[]).await;
    let nodes = [0, 1, 2].map(|number| cluster.node(number));
    for node in nodes {
        run(node, &documented()).await;
        run(node, &documented_for_clusters()).await;
    }
    let addresses = nodes.map(RedisServer::address).join(",");
    everything_works_on(&format!("redis://livechat:open-sesame@{addresses}"), &nodes).await;
}

/// Does everything that there is to do, after which none of `nodes` has refused anything.
async fn everything_works_on(url: &str, nodes: &[&RedisServer]) {
    let mut embedded = Server::embedded();
    let room = embedded.client().create_room().await;
    User::of(embedded.client()).send(&room, "from the other store").await;
    assert!(embedded.terminate().await.success());
    let report = run_migration(&embedded.data(), url);
    assert!(report.contains("Rooms: 1 moved"), "{report}");

    let servers = [(); 2].map(|()| Server::with(&[("REDIS_URL", url), ("RATE_LIMITS", "on")]));
    let client = servers[0].client();
    assert_eq!(client.texts(&room).await, [Some("from the other store".to_owned())]);
    let mut reader = Subscriber::open(servers[1].address(), &room, None).await;
    client.viewers_become(&room, 1).await;
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
            log.arg("LOG").query_async(&mut node.connection().await).await.expect("what was refused");
        assert!(denied.is_empty(), "{denied:?}");
    }
}

#[tokio::test]
async fn each_right_that_is_taken_away_is_named_at_start() {
    let (redis, url) = redis().await;
    let user = |word: &str| ["ACL", "SETUSER", "livechat", word].map(str::to_owned);
    for right in documented().iter().filter_map(|word| word.strip_prefix('+')) {
        // One tells about memory, one is for `migrate` alone.
        if ["info", "unlink"].contains(&right) {
            continue;
        }
        run(&redis, &user(&format!("-{right}"))).await;
        redis.command(&["SCRIPT", "FLUSH"]).await;
        let said = refusal(&url, "livechat").await.to_lowercase();
        assert!(said.contains("the user lacks a right") && said.contains(right), "without {right}: {said}");
        run(&redis, &user(&format!("+{right}"))).await;
    }
    for reset in ["resetkeys", "resetchannels"] {
        run(&redis, &user(reset)).await;
        let said = refusal(&url, "livechat").await;
        assert!(said.contains("the user lacks a right"), "after {reset}: {said}");
        run(&redis, &documented()).await;
    }
    let said = failure(&[("REDIS_URL", &url.replace("sesame", "barley"))]);
    assert!(said.contains("it wants another user or password") && !said.contains("barley"), "{said}");
    let other = refusal(&url, "another").await;
    assert!(other.contains("the user lacks a right"), "{other}");
}

#[tokio::test]
async fn a_right_that_is_taken_away_later_is_an_outage_that_the_log_explains() {
    let (redis, url) = redis().await;
    let server = Server::with(&[("REDIS_URL", &url)]);
    let room = server.client().create_room().await;
    // The call of a script as a whole, and the first command inside of it.
    for right in ["evalsha", "hmget"] {
        redis.command(&["ACL", "SETUSER", "livechat", &format!("-{right}")]).await;
        let answer = User::of(server.client()).try_send(&room, "no").await.expect("an answer");
        assert_eq!(error_code(&answer), "UNAVAILABLE", "without {right}");
        redis.command(&["ACL", "SETUSER", "livechat", &format!("+{right}")]).await;
        User::of(server.client()).send(&room, "yes").await;
    }
    let told = || server.log().matches("the user of Redis lacks a right").count();
    eventually("the log says what is missing", async || told() >= 2).await;
}

#[test]
fn every_command_of_a_script_is_tried_at_start_and_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/redis");
    let (tried, documented) = (include_str!("../../src/store/redis/acl.lua"), documented());
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if file.extension().is_none_or(|extension| extension != "lua") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a text file");
        for call in text.split("redis.call('").skip(1) {
            let name = call.split('\'').next().unwrap_or_default();
            seen += 1;
            assert!(tried.contains(&format!("'{name}'")), "{name} of {} is not tried", file.display());
            assert!(documented.contains(&format!("+{}", name.to_lowercase())), "{name} is not documented");
        }
    }
    assert!(seen > 50, "this test does not see the calls any more");
}
