//! Fifty users at once: nothing is lost, nothing comes twice, and all see the same.

use futures_util::future::join_all;

use crate::support::load::{assert_all_heard, send_at_once};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn fifty_users_who_send_ten_messages_each_at_once_are_all_heard_by_everybody() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let open = (0..5).map(|_| Subscriber::open(server.address(), &room, Some(start.clone())));
        let mut subscribers = join_all(open).await;
        send_at_once(&client, &room, 50, 10).await;
        assert_all_heard(&client, &room, &mut subscribers, 50, 10).await;
    }
}
