//! Our own process, killed and started again, or frozen and thawed, in the middle of a load, on each store.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::server::Server;

#[tokio::test]
async fn a_server_that_is_killed_under_load_and_started_again_lost_nothing() {
    for (mut server, _redis) in Server::on_each_store(&[]).await {
        // It gets another port each time.
        let proxy = Proxy::to(server.address()).await;
        let crowd = Crowd::start(proxy.address()).await;
        for _ in 0..5 {
            server.kill();
            server.start();
            proxy.redirect_to(Some(server.address()));
            crowd.wait_for_accepted(20).await;
        }
        crowd.settle_and_check().await;
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

#[tokio::test]
async fn a_server_that_is_frozen_under_load_goes_on_where_it_was() {
    let on_each = Server::on_each_store(&[]).await.into_iter().map(async |(server, _redis)| {
        let crowd = Crowd::start(server.address()).await;
        for _ in 0..2 {
            server.signal("STOP");
            // Longer than Redis, the watchdog of its lines and every deadline wait.
            tokio::time::sleep(Duration::from_secs(3)).await;
            server.signal("CONT");
            crowd.wait_for_accepted(20).await;
        }
        crowd.settle_and_check().await;
        assert!(!server.log().contains("panicked"), "{}", server.log());
    });
    join_all(on_each).await;
}
