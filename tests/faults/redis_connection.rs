//! Bad connections to Redis: closed at any moment, closed in the middle of a reply, slow.

use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::Mutex;

use crate::support::client::User;
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// How often connections are cut.
const CUTS: usize = 30;

async fn server_behind_a_proxy() -> (RedisServer, Proxy, Server) {
    let redis = RedisServer::start().await;
    let proxy = Proxy::to(&redis.address()).await;
    let server = Server::on_redis(&format!("redis://{}/", proxy.address()));
    (redis, proxy, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_at_any_moment_lose_nothing() {
    let (_redis, proxy, server) = server_behind_a_proxy().await;
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..CUTS {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..100))).await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_the_middle_of_a_reply_lose_nothing() {
    let (_redis, proxy, server) = server_behind_a_proxy().await;
    let crowd = Crowd::start(server.address()).await;
    for _ in 0..CUTS {
        proxy.cut_after_bytes(rand::rng().random_range(1..2_000));
        proxy.wait_for_cut().await;
    }
    crowd.settle_and_check().await;
}

#[tokio::test]
async fn repeated_losses_of_the_pubsub_connection_lose_nothing() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let crowd = Crowd::start(server.address()).await;
    let mut connection = redis.connection().await;
    let mut cuts = 0;
    while cuts < 10 {
        crowd.wait_for_accepted(5).await;
        let mut cut = redis::cmd("CLIENT");
        cuts +=
            cut.arg("KILL").arg("TYPE").arg("pubsub").query_async::<u32>(&mut connection).await.expect("a response");
    }
    crowd.settle_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_slower_by_half_a_second_is_only_slow() {
    let (_redis, proxy, server) = server_behind_a_proxy().await;
    let crowd = Crowd::start(server.address()).await;
    let room = server.client().create_room().await;
    proxy.delay(Duration::from_millis(500));
    crowd.wait_for_accepted(10).await;
    // Also for new connections, and for a server that starts meanwhile.
    proxy.cut();
    crowd.wait_for_accepted(10).await;
    let new_server = Server::on_redis(&format!("redis://{}/", proxy.address()));
    let ada = Mutex::new(User::with_own_token(new_server.client()));
    // On a busy machine, a request may take longer than the server allows.
    eventually("the new server takes a message", async || {
        let sent = ada.lock().await.try_send_once(&room, "slowly", Some("slowly")).await;
        sent.expect("a response").get("errors").is_none()
    })
    .await;
    proxy.delay(Duration::ZERO);
    crowd.settle_and_check().await;
}
