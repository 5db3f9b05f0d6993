//! Fifty concurrent users: nothing is lost or repeated, and all see the same.

use futures_util::future::join_all;

use crate::support::load::{assert_all_delivered, send_concurrently};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn every_message_of_fifty_concurrent_users_reaches_every_reader() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let open = (0..5).map(|_| Subscriber::open(server.address(), &room, Some(start.clone())));
        let mut subscribers = join_all(open).await;
        send_concurrently(&client, &room, 50, 10).await;
        assert_all_delivered(&client, &room, &mut subscribers, 50, 10).await;
    }
}
