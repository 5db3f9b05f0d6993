//! A failover to a replica that lacks the last writes. Readers of lost events get an error, over every transport and also while
//! they are live; no reader gets another event in their place, and new events are delivered.

use serde_json::Value;
use tokio::net::TcpStream;

use super::wait_until_ready;
use crate::support::client::{RoomKey, User};
use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::reader::assert_tell_the_room;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::{Said, Subscriber};
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

pub(super) async fn read_events(reader: &mut Reader, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        match reader.next().await {
            Said::Event(event) => events.push(event),
            other => panic!("an event was expected, not {other:?}"),
        }
    }
    events
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
        let mut bob = User::of(client.clone());
        bob.send(&room, "lost").await;
        bob.send(&room, "lost too").await;
        for reader in &mut live {
            read_events(reader, 7).await;
        }
        let lost = client.cursor(&room).await;

        // The replica is promoted and takes writes of another server before this server connects to it.
        replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        wait_until_ready(&other).await;
        let mut carol = User::of(other.client());
        for n in 0..new_events {
            carol.send(&room, &format!("new {n}")).await;
        }
        to_redis.redirect_to(Some(&replica.address()));
        for reader in &mut live {
            match reader.next().await {
                Said::Error(error) => assert!(error.to_string().contains("\"CURSOR_INVALID\""), "{error}"),
                other => panic!("{new_events} new: an error was expected, not {other:?}"),
            }
        }
        wait_until_ready(&server).await;
        for after in 0..3 {
            let code = Subscriber::open(server.address(), &room, Some(lost.clone())).await.refusal().await;
            assert_eq!(code, "CURSOR_INVALID", "{new_events} new and {after} more");
            User::of(server.client()).send(&room, &format!("more {after}")).await;
        }
        let texts = other.client().texts(&room).await;
        for reader in &mut open_readers(&server, &room, &kept).await {
            assert_tell_the_room(&read_events(reader, new_events + 3).await, &texts, 5);
        }
        // Readers of a room without lost events are not affected.
        User::of(other.client()).send(&untouched, "goes on").await;
        assert_eq!(untouched_reader.event().await["message"]["text"], "goes on");
        Crowd::start(server.address()).await.settle_and_check().await;
    }
}
