//! Fifty users at once: nothing is lost, nothing comes twice, and all see the same.

use futures_util::future::join_all;

use crate::support::client::User;
use crate::support::load::send_at_once;
use crate::support::reader::assert_tell_the_room;
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
        let texts = client.texts(&room).await;
        let mut sent: Vec<_> = texts.iter().flatten().cloned().collect();
        let mut expected: Vec<_> = (0..50).flat_map(|user| (0..10).map(move |n| format!("{user}/{n}"))).collect();
        sent.sort();
        expected.sort();
        assert_eq!(sent, expected);
        User::of(client.clone()).send(&room, "the end").await;
        for subscriber in &mut subscribers {
            let events = subscriber.until_sent("the end").await;
            assert_tell_the_room(&events[..500], &texts, 0);
        }
    }
}
