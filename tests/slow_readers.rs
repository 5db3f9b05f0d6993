//! Readers who do not read for a while: they get everything all the same, and hold nobody up.

use crate::support::client::{User, text};
use crate::support::load::send_at_once;
use crate::support::reader::assert_tell_the_room;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

#[tokio::test]
async fn a_reader_who_pauses_while_thousands_of_messages_are_sent_gets_all_of_them_in_order() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let mut slow = Subscriber::open_narrow(server.address(), &room).await;
        client.viewers_become(&room, 1).await;
        // Big ones first, to fill whatever lies between server and reader.
        for n in 0..200 {
            ada.send(&room, &format!("{n}{}", "\u{1f980}".repeat(3_900))).await;
        }
        send_at_once(&client, &room, 20, 90).await;
        ada.send(&room, "the end").await;
        let events = slow.until_sent("the end").await;
        assert_tell_the_room(&events, &client.texts(&room).await, 0);
        assert_eq!(text(&events[2_000]["cursor"]), client.cursor(&room).await);
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_keeps_no_server_from_stopping() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let _deaf = Subscriber::open_narrow(server.address(), &room).await;
    client.viewers_become(&room, 1).await;
    for n in 0..400 {
        ada.send(&room, &format!("{n}{}", "\u{1f980}".repeat(3_900))).await;
    }
    assert!(server.terminate().await.success());
}
