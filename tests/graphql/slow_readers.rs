//! Readers that stop reading for a while: they miss nothing and delay nobody.

use crate::support::client::{RoomKey, User, text};
use crate::support::load::send_concurrently;
use crate::support::room_view::assert_events_match;
use crate::support::server::Server;
use crate::support::transport::{Reader, Transport};

/// Every transport of events.
const TRANSPORTS: [Transport; 4] =
    [Transport::WebSocket, Transport::LegacyWebSocket, Transport::ServerSentEvents, Transport::Multipart];

#[tokio::test]
async fn readers_that_pause_while_thousands_of_messages_are_sent_get_all_of_them_in_order() {
    // A long write timeout, so that no reader is closed on a busy machine.
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        let mut slow = one_of_each(&server, &room).await;
        // Large messages first, to fill the buffers between server and reader.
        send_large(&mut ada, &room, 200).await;
        send_concurrently(&client, &room, 20, 90).await;
        ada.send(&room, "the end").await;
        let texts = client.texts(&room).await;
        for reader in &mut slow {
            let events = reader.until_sent_or_closed("the end").await;
            assert_events_match(&events, &texts, 0);
            assert_eq!(text(&events[2_000]["cursor"]), client.cursor(&room).await);
        }
    }
}

#[tokio::test]
async fn a_reader_that_accepts_no_bytes_for_too_long_is_closed_over_every_transport_and_can_resume() {
    let server = Server::with(&[("WRITE_TIMEOUT", "3s")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let slow = one_of_each(&server, &room).await;
    send_large(&mut ada, &room, 400).await;
    // A closed reader is no viewer.
    client.wait_for_viewers(&room, 0).await;
    ada.send(&room, "the end").await;
    let texts = client.texts(&room).await;
    for (mut reader, transport) in slow.into_iter().zip(TRANSPORTS) {
        let mut events = reader.until_sent_or_closed("the end").await;
        assert!(events.len() < texts.len(), "{transport:?} was closed before it had all events");
        let after = events.last().map_or(start.clone(), |event| text(&event["cursor"]));
        let mut reader = Reader::open_narrow(transport, server.address(), &room, Some(after)).await;
        events.extend(reader.until_sent_or_closed("the end").await);
        assert_events_match(&events, &texts, 0);
    }
}

#[tokio::test]
async fn a_reader_that_is_up_to_date_may_be_idle_for_longer_than_the_write_timeout() {
    let server = Server::with(&[("WRITE_TIMEOUT", "1s")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut idle = one_of_each(&server, &room).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    ada.send(&room, "at last").await;
    for reader in &mut idle {
        assert_eq!(reader.event().await["message"]["text"], "at last");
    }
    assert_eq!(client.query_room(&room, "viewerCount").await["viewerCount"], TRANSPORTS.len());
}

#[tokio::test]
async fn readers_that_do_not_read_do_not_delay_the_shutdown() {
    let mut server = Server::with(&[("DRAIN_SECONDS", "1")]);
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let _stalled = one_of_each(&server, &room).await;
    send_large(&mut ada, &room, 400).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_reader_that_is_behind_gets_no_text_that_was_deleted_before_it_was_written() {
    const MESSAGES: usize = 60;
    for (server, _redis) in Server::on_each_store(&[("WRITE_TIMEOUT", "10m")]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let room = client.create_room().await;
        // A reader that is up to date shows when this process knows of the last deletion.
        let start = client.cursor(&room).await;
        let mut slow = one_of_each(&server, &room).await;
        let mut witness = Reader::open_narrow(Transport::WebSocket, server.address(), &room, Some(start)).await;
        // A live reader may lag by more than this, but the network buffers hold less.
        for n in 0..MESSAGES {
            ada.send(&room, &format!("secret {n}{}", "\u{1f980}".repeat(3_980))).await;
        }
        let mut ids = Vec::new();
        for event in witness.events(MESSAGES).await {
            ids.push(text(&event["message"]["id"]));
        }
        for id in &ids {
            ada.delete(&room, id).await;
        }
        ada.send(&room, "the end").await;
        witness.until_sent_or_closed("the end").await;
        for (reader, transport) in slow.iter_mut().zip(TRANSPORTS) {
            let events = reader.until_sent_or_closed("the end").await;
            assert_eq!(events.len(), 2 * MESSAGES + 1, "{transport:?}");
            let texts: Vec<_> = events[..MESSAGES].iter().map(|event| event["message"]["text"].is_string()).collect();
            // A text that was already written cannot be taken back. After those, no deleted text may follow.
            let written = texts.iter().take_while(|has_text| **has_text).count();
            assert!(written < MESSAGES - 10, "{written} of {MESSAGES} deleted texts over {transport:?}");
            assert!(!texts[written..].contains(&true), "{texts:?} over {transport:?}");
        }
    }
}

/// A reader over each transport, on a connection with a small receive buffer.
async fn one_of_each(server: &Server, room: &RoomKey) -> Vec<Reader> {
    let client = server.client();
    let start = client.cursor(room).await;
    let mut readers = Vec::new();
    for transport in TRANSPORTS {
        readers.push(Reader::open_narrow(transport, server.address(), room, Some(start.clone())).await);
    }
    client.wait_for_viewers(room, readers.len()).await;
    readers
}

/// Sends messages of 16 KiB each.
async fn send_large(user: &mut User, room: &RoomKey, count: usize) {
    for n in 0..count {
        user.send_patiently(room, &format!("{n}{}", "\u{1f980}".repeat(3_990))).await;
    }
}
