//! Readers who do not read for a while: they get everything all the same, and hold nobody up.

use crate::support::client::{Client, RoomKey, User, text};
use crate::support::load::send_at_once;
use crate::support::reader::assert_tell_the_room;
use crate::support::server::Server;
use crate::support::subscriber::Said;
use crate::support::transport::{Reader, Transport};

#[tokio::test]
async fn readers_who_pause_while_thousands_of_messages_are_sent_get_all_of_them_in_order() {
    // Nobody is to be closed, however long this takes on a busy machine.
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let mut slow = one_of_each(&server, &room).await;
        // Big ones first, to fill whatever lies between server and reader.
        send_big_ones(&mut ada, &room, 200).await;
        send_at_once(&client, &room, 20, 90).await;
        ada.send(&room, "the end").await;
        let texts = client.texts(&room).await;
        for reader in &mut slow {
            let events = reader.until_sent_or_closed("the end").await;
            assert_tell_the_room(&events, &texts, 0);
            assert_eq!(text(&events[2_000]["cursor"]), client.cursor(&room).await);
        }
    }
}

#[tokio::test]
async fn a_reader_who_takes_no_byte_for_too_long_is_closed_over_every_transport_and_resumes() {
    let server = Server::with(&[("WRITE_TIMEOUT", "3s")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let slow = one_of_each(&server, &room).await;
    send_big_ones(&mut ada, &room, 400).await;
    // Who does not read does not look on either.
    client.viewers_become(&room, 0).await;
    ada.send(&room, "the end").await;
    let texts = client.texts(&room).await;
    for (mut reader, transport) in slow.into_iter().zip(Transport::ALL) {
        let mut events = reader.until_sent_or_closed("the end").await;
        assert!(events.len() < texts.len(), "{transport:?} was closed before all was told");
        let after = events.last().map_or(start.clone(), |event| text(&event["cursor"]));
        let mut reader = Reader::open_narrow(transport, server.address(), &room, Some(after)).await;
        events.extend(reader.until_sent_or_closed("the end").await);
        assert_tell_the_room(&events, &texts, 0);
    }
}

#[tokio::test]
async fn a_reader_who_has_taken_all_there_is_may_wait_for_more_as_long_as_it_likes() {
    let server = Server::with(&[("WRITE_TIMEOUT", "1s")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut idle = one_of_each(&server, &room).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    ada.send(&room, "at last").await;
    for reader in &mut idle {
        match reader.next().await {
            Said::Event(event) => assert_eq!(event["message"]["text"], "at last"),
            other => panic!("an event was expected, not {other:?}"),
        }
    }
    assert_eq!(client.of_room(&room, "viewerCount").await["viewerCount"], 3);
}

#[tokio::test]
async fn readers_who_do_not_read_keep_no_server_from_stopping() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let _deaf = one_of_each(&server, &room).await;
    send_big_ones(&mut ada, &room, 400).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_reader_who_is_behind_is_sent_no_text_that_was_deleted_before_it_was_written() {
    const MESSAGES: usize = 60;
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        // Whoever reads tells when this process knows of the last deletion.
        let start = client.cursor(&room).await;
        let mut slow = one_of_each(&server, &room).await;
        let mut witness = Reader::open_narrow(Transport::WebSocket, server.address(), &room, Some(start)).await;
        // Fewer than a live reader may lie behind, and more than lines hold.
        for n in 0..MESSAGES {
            ada.send(&room, &format!("secret {n}{}", "\u{1f980}".repeat(3_980))).await;
        }
        let mut ids = Vec::new();
        while ids.len() < MESSAGES {
            if let Said::Event(event) = witness.next().await {
                ids.push(text(&event["message"]["id"]));
            }
        }
        for id in &ids {
            ada.delete(&room, id).await;
        }
        ada.send(&room, "the end").await;
        witness.until_sent_or_closed("the end").await;
        for (reader, transport) in slow.iter_mut().zip(Transport::ALL) {
            let events = reader.until_sent_or_closed("the end").await;
            assert_eq!(events.len(), 2 * MESSAGES + 1, "{transport:?}");
            let texts: Vec<_> = events[..MESSAGES].iter().map(|event| event["message"]["text"].is_string()).collect();
            // What was written before the first deletion cannot be taken back; nothing comes after it.
            let written = texts.iter().take_while(|has_text| **has_text).count();
            assert!(written < MESSAGES - 10, "{written} of {MESSAGES} deleted texts over {transport:?}");
            assert!(!texts[written..].contains(&true), "{texts:?} over {transport:?}");
        }
    }
}

/// Readers over each transport, on lines that hold little of what is not read.
async fn one_of_each(server: &Server, room: &RoomKey) -> Vec<Reader> {
    let client: Client = server.client();
    let start = client.cursor(room).await;
    let mut readers = Vec::new();
    for transport in Transport::ALL {
        readers.push(Reader::open_narrow(transport, server.address(), room, Some(start.clone())).await);
    }
    client.viewers_become(room, readers.len()).await;
    readers
}

/// Messages of 16 KiB each.
async fn send_big_ones(user: &mut User, room: &RoomKey, count: usize) {
    for n in 0..count {
        user.send(room, &format!("{n}{}", "\u{1f980}".repeat(3_990))).await;
    }
}
