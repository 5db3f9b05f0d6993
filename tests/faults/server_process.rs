//! Our own process, killed and restarted or frozen and resumed under load, on each store.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::server::Server;

#[tokio::test]
async fn server_killed_and_restarted_under_load_loses_nothing() {
    for (mut server, _redis) in Server::on_each_store(&[]).await {
        // Each start gets another port.
        let proxy = Proxy::to(server.address()).await;
        let crowd = Crowd::start(proxy.address()).await;
        for _ in 0..5 {
            server.kill();
            server.start();
            proxy.redirect_to(Some(server.address()));
            crowd.wait_for_accepted(20).await;
        }
        crowd.settle_and_check().await;
        server.assert_no_panic();
    }
}

#[tokio::test]
async fn server_frozen_under_load_continues() {
    let on_each = Server::on_each_store(&[]).await.into_iter().map(async |(server, _redis)| {
        let crowd = Crowd::start(server.address()).await;
        for _ in 0..2 {
            server.signal("STOP");
            // Longer than every deadline and the watchdog of the Redis connections.
            tokio::time::sleep(Duration::from_secs(3)).await;
            server.signal("CONT");
            crowd.wait_for_accepted(20).await;
        }
        crowd.settle_and_check().await;
        server.assert_no_panic();
    });
    join_all(on_each).await;
}
