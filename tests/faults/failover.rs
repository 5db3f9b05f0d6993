//! A failover to a replica that lacks the last writes. Readers of lost events get an error, over every transport and also while
//! they are live; no reader gets another event in their place, and new events are delivered.

use tokio::net::TcpStream;

use super::wait_until_ready;
use crate::support::client::{RoomKey, User};
use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::redis_server::RedisServer;
use crate::support::room_view::assert_events_match;
use crate::support::server::Server;
use crate::support::subscriber::{Received, Subscriber};
use crate::support::transport::{Reader, Resume, Transport};

pub(super) async fn open_readers(server: &Server, room: &RoomKey, after: &str) -> Vec<Reader> {
    let mut readers = Vec::new();
    for transport in Transport::ALL {
        let connection = TcpStream::connect(server.address()).await.expect("a connection");
        let after = Some(after.to_owned());
        readers.push(Reader::over(connection, transport, room, after, Resume::Argument).await.expect("a reader"));
    }
    readers
}

/// Sends two messages, which the failover will lose, and reads them with `readers`, which have read 5 events before. Returns the
/// cursor of the last one.
pub(super) async fn send_lost_events(server: &Server, room: &RoomKey, readers: &mut [Reader]) -> String {
    let mut bob = User::of(server.client());
    bob.send(room, "lost").await;
    bob.send(room, "lost too").await;
    for reader in readers {
        reader.events(7).await;
    }
    server.client().cursor(room).await
}

/// Asserts that live readers of lost events get an error, and that a lost cursor stays invalid while `more` messages are sent.
pub(super) async fn assert_lost(server: &Server, room: &RoomKey, readers: &mut [Reader], lost: &str, more: usize) {
    for (reader, transport) in readers.iter_mut().zip(Transport::ALL) {
        match reader.next().await {
            Received::Error(error) => assert!(error.to_string().contains("\"CURSOR_INVALID\""), "{error}"),
            other => panic!("an error was expected over {transport:?}, not {other:?}"),
        }
    }
    wait_until_ready(server).await;
    for n in 0..more {
        let code = Subscriber::open(server.address(), room, Some(lost.to_owned())).await.refusal().await;
        assert_eq!(code, "CURSOR_INVALID", "after {n} more messages");
        User::of(server.client()).send(room, &format!("more {n}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_invalidates_only_cursors_of_lost_events() {
    // Fewer new events than were lost, as many, and more.
    for new_events in [1, 2, 5] {
        let (primary, replica) = (RedisServer::start().await, RedisServer::start().await);
        let (to_primary, to_redis) = (Proxy::to(&primary.address()).await, Proxy::to(&primary.address()).await);
        let url = format!("redis://{}/", to_redis.address());
        let (server, other) = (Server::on_redis(&url), Server::on_redis(&replica.url()));
        let client = server.client();
        let (room, untouched) = (client.create_room().await, client.create_room().await);
        let start = client.cursor(&room).await;
        let mut ada = User::of(client.clone());
        for n in 0..5 {
            ada.send(&room, &format!("kept {n}")).await;
        }
        let untouched_cursor = client.cursor(&untouched).await;
        let mut untouched_reader = Subscriber::open(server.address(), &untouched, Some(untouched_cursor)).await;
        User::of(client.clone()).send(&untouched, "kept").await;
        untouched_reader.event().await;
        let kept = client.cursor(&room).await;
        replica.replicate(to_primary.address()).await;

        // From here on the replica receives no more writes.
        to_primary.redirect_to(None);
        let mut live = open_readers(&server, &room, &start).await;
        let lost = send_lost_events(&server, &room, &mut live).await;

        // The replica is promoted and takes writes of another server before this server connects to it.
        replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        wait_until_ready(&other).await;
        let mut carol = User::of(other.client());
        for n in 0..new_events {
            carol.send(&room, &format!("new {n}")).await;
        }
        to_redis.redirect_to(Some(&replica.address()));
        assert_lost(&server, &room, &mut live, &lost, 3).await;
        let texts = other.client().texts(&room).await;
        for reader in &mut open_readers(&server, &room, &kept).await {
            assert_events_match(&reader.events(new_events + 3).await, &texts, 5);
        }
        // Readers of a room without lost events are not affected.
        User::of(other.client()).send(&untouched, "still received").await;
        assert_eq!(untouched_reader.event().await["message"]["text"], "still received");
        Crowd::start(server.address()).await.settle_and_check().await;
    }
}
