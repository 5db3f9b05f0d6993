//! A server that is started before its Redis waits for it, unless waiting cannot help.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::certificates::Authority;
use crate::support::client::User;
use crate::support::redis_server::{RedisServer, free_port};
use crate::support::sentinels::{MASTER, PASSWORD, Sentinels};
use crate::support::server::{Server, command, failure};
use crate::support::{TIMEOUT, eventually};

/// What the server logs when it begins to wait, and every ten seconds.
const WAITING: &str = "Redis cannot be used yet";

/// Starts a server with these settings, awaits `meanwhile` once it waits for Redis, and returns the server once it serves.
async fn start_before<T>(environment: &[(&str, &str)], meanwhile: impl Future<Output = T>) -> (Server, T) {
    let owned: Vec<_> = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let log = Arc::<Mutex<String>>::default();
    let server = tokio::task::spawn_blocking({
        let log = Arc::clone(&log);
        move || {
            let environment: Vec<_> = owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Server::logging_to(log, &environment)
        }
    });
    eventually("the server waits", async || log.lock().expect("the log").contains(WAITING)).await;
    assert!(!server.is_finished(), "the server serves or has exited without its Redis");
    let done = meanwhile.await;
    (server.await.expect("a server"), done)
}

async fn assert_serves(server: &Server) {
    assert_eq!(server.status("/readyz").await, 200);
    let client = server.client();
    let room = client.create_room().await;
    User::of(client).send(&room, "after the wait").await;
    eventually("the end of the wait is logged", async || server.log().contains("Redis can be used after ")).await;
    let log = server.log();
    assert!((1..=3).contains(&log.matches(WAITING).count()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_redis_to_start() {
    let mut redis = RedisServer::start_with_password("open-sesame").await;
    redis.kill();
    let url = redis.url();
    let (server, ()) = start_before(&[("REDIS_URL", &url)], redis.restart()).await;
    assert_serves(&server).await;
    assert!(!server.log().contains("sesame"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_while_redis_loads_its_data() {
    let mut redis = RedisServer::start_that_loads_slowly().await;
    let mut connection = redis.connection().await;
    for number in 0..1_500 {
        let (mut set, key) = (redis::cmd("SET"), format!("other:{number}"));
        set.arg(key).arg("x".repeat(200)).exec_async(&mut connection).await.expect("a key");
    }
    redis.command(&["SAVE"]).await;
    redis.kill();
    let url = redis.url();
    redis.restart_loading().await;
    let (server, ()) = start_before(&[("REDIS_URL", &url)], redis.load_fast()).await;
    assert!(server.log().contains("Redis is loading the dataset"), "{}", server.log());
    assert_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_the_primary_of_the_sentinels() {
    let mut redis = RedisServer::start().await;
    let sentinels = Sentinels::monitoring(&redis, 0).await;
    redis.kill();
    let environment = [
        ("REDIS_SENTINELS", &*sentinels.addresses()),
        ("REDIS_SENTINEL_MASTER", MASTER),
        ("REDIS_SENTINEL_PASSWORD", PASSWORD),
    ];
    let (server, ()) = start_before(&environment, redis.restart()).await;
    assert_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_sentinels_to_start() {
    let redis = RedisServer::start().await;
    let sentinels = Sentinels::monitoring(&redis, 0).await;
    let addresses = sentinels.addresses();
    sentinels.signal("STOP");
    let environment =
        [("REDIS_SENTINELS", &*addresses), ("REDIS_SENTINEL_MASTER", MASTER), ("REDIS_SENTINEL_PASSWORD", PASSWORD)];
    let (server, ()) = start_before(&environment, async { sentinels.signal("CONT") }).await;
    assert_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_cluster_nodes_to_start() {
    let mut node = RedisServer::start_cluster_node().await;
    let url = node.url();
    node.kill();
    let (server, ()) = start_before(&[("REDIS_URL", &url), ("REDIS_CLUSTER", "true")], node.restart()).await;
    assert_serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_cluster_to_be_created() {
    let node = RedisServer::start_lone_node(&[]).await;
    let url = node.url();
    let create_cluster = async { node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await };
    let (server, ()) = start_before(&[("REDIS_URL", &url), ("REDIS_CLUSTER", "true")], create_cluster).await;
    assert_serves(&server).await;
}

#[test]
fn a_server_waits_for_redis_wait_and_then_gives_the_reason() {
    let url = format!("redis://127.0.0.1:{}/", free_port());
    for (wait, least) in [("0", 0), ("2s", 2)] {
        let start = Instant::now();
        // `failure` waits for less than the default of REDIS_WAIT and its last attempt.
        let message = failure(&[("REDIS_URL", &url), ("REDIS_WAIT", wait)]);
        let seconds = start.elapsed().as_secs();
        assert!(seconds >= least, "it took {seconds} s with {wait}");
        assert!(
            message.contains("livechat: Redis cannot be used: ") && message.contains("cannot connect to Redis"),
            "{message}"
        );
        assert_eq!(message.contains("retrying for at most 2 more seconds"), wait == "2s", "{message}");
    }
}

#[tokio::test]
async fn errors_that_waiting_cannot_solve_end_the_start_at_once() {
    let redis = RedisServer::start_with_password("open-sesame").await;
    redis.command(&["ACL", "SETUSER", "nobody", "on", ">open-sesame", "+@connection", "~*"]).await;
    let single = RedisServer::start().await;
    let authority = Authority::new();
    authority.sign("redis", "127.0.0.1");
    let strange = RedisServer::start_with_tls(&authority, false).await;
    let (address, plain) = (redis.address(), single.address());
    for (environment, sentence) in [
        (
            [("REDIS_URL", format!("redis://:open-barley@{address}")), ("X", String::new())],
            "rejected the user or the password",
        ),
        ([("REDIS_URL", format!("redis://nobody:open-sesame@{address}")), ("X", String::new())], "lacks a permission"),
        ([("REDIS_URL", strange.url()), ("X", String::new())], "signed by an unknown authority"),
        ([("REDIS_URL", format!("redis://{plain}")), ("REDIS_CLUSTER", "true".to_owned())], "is no node of a cluster"),
    ] {
        let mut environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        environment.push(("REDIS_WAIT", "10m"));
        // `failure` waits for at most 30 s, far less than REDIS_WAIT.
        let message = failure(&environment);
        assert!(message.contains(sentence) && !message.contains("cannot be used yet"), "{message}");
        assert!(!message.contains("sesame") && !message.contains("barley"), "{message}");
    }
}

#[tokio::test]
async fn a_signal_ends_the_wait_at_once_with_success() {
    let url = format!("redis://127.0.0.1:{}/", free_port());
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = command(directory.path(), &[("REDIS_URL", &url), ("REDIS_WAIT", "10m")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the livechat binary");
        let mut log = BufReader::new(server.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(WAITING) {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("text"), 0, "the server does not wait");
        }
        let sent = std::process::Command::new("kill").args([format!("-{signal}"), server.id().to_string()]).status();
        assert!(sent.expect("the kill command").success());
        assert!(exits_successfully(&mut server).await, "after SIG{signal}");
    }
}

/// Whether a process exits successfully, in time.
async fn exits_successfully(process: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < TIMEOUT {
        if let Some(status) = process.try_wait().expect("a process of our own") {
            return status.success();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = process.kill().and_then(|()| process.wait());
    false
}
