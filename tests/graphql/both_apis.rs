//! Fifty concurrent users in one room, over GraphQL alone and over both APIs: no message is lost or repeated.

use futures_util::future::{join, join_all};

use crate::support::load::{assert_all_delivered, send_concurrently};
use crate::support::rest::RestUser;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn all_messages_of_fifty_concurrent_users_on_both_apis_reach_everyone() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        for rest_users in [0, 25] {
            let client = server.client();
            let room = client.create_room().await;
            let start = client.cursor(&room).await;
            let open = (0..5).map(|_| Subscriber::open(server.address(), &room, Some(start.clone())));
            let mut subscribers = join_all(open).await;
            let over_rest = join_all((50 - rest_users..50).map(|user| {
                let (room, mut sender) = (&room, RestUser::of(server.address(), format!("rest-user-{user}")));
                async move {
                    for n in 0..10 {
                        let sent = sender.send(room, &format!("{user}/{n}")).await;
                        assert_eq!(sent["message"], format!("{user}/{n}"));
                    }
                }
            }));
            join(send_concurrently(&client, &room, 50 - rest_users, 10), over_rest).await;
            assert_all_delivered(&client, &room, &mut subscribers, 50, 10).await;
        }
    }
}
