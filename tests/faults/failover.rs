//! A failover to a replica that lacks the last writes: readers of what is lost are told, over every transport and also
//! while they are live; nobody gets another event in its place, and new events flow.

use serde_json::Value;
use tokio::net::TcpStream;

use super::ready_again;
use crate::support::client::{RoomKey, User};
use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::reader::assert_tell_the_room;
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::{Said, Subscriber};
use crate::support::transport::{Reader, Resume, Transport};

pub(super) async fn readers(server: &Server, room: &RoomKey, after: &str) -> Vec<Reader> {
    let mut readers = Vec::new();
    for transport in Transport::ALL {
        let line = TcpStream::connect(server.address()).await.expect("a line");
        let after = Some(after.to_owned());
        readers.push(Reader::over(line, transport, room, after, Resume::Argument).await.expect("a reader"));
    }
    readers
}

pub(super) async fn hear(reader: &mut Reader, count: usize) -> Vec<Value> {
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
async fn readers_of_what_a_failover_lost_are_told_so_and_everybody_else_goes_on() {
    // Fewer new events than were lost, as many, and more.
    for anew in [1, 2, 5] {
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
        let calm_from = client.cursor(&untouched).await;
        let mut calm = Subscriber::open(server.address(), &untouched, Some(calm_from)).await;
        User::of(client.clone()).send(&untouched, "kept").await;
        calm.event().await;
        let kept = client.cursor(&room).await;
        replica.replicate(to_primary.address()).await;

        // From here on the replica hears nothing any more.
        to_primary.redirect_to(None);
        let mut live = readers(&server, &room, &start).await;
        let mut bob = User::of(client.clone());
        bob.send(&room, "lost").await;
        bob.send(&room, "lost too").await;
        for reader in &mut live {
            hear(reader, 7).await;
        }
        let lost = client.cursor(&room).await;

        // The replica is promoted, and others write to it before the server is led there.
        replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        ready_again(&other).await;
        let mut carol = User::of(other.client());
        for n in 0..anew {
            carol.send(&room, &format!("new {n}")).await;
        }
        to_redis.redirect_to(Some(&replica.address()));
        for reader in &mut live {
            match reader.next().await {
                Said::Error(error) => assert!(error.to_string().contains("\"CURSOR_INVALID\""), "{error}"),
                other => panic!("{anew} new: a refusal was expected, not {other:?}"),
            }
        }
        ready_again(&server).await;
        for after in 0..3 {
            let refused = Subscriber::open(server.address(), &room, Some(lost.clone())).await.refusal().await;
            assert_eq!(refused, "CURSOR_INVALID", "{anew} new and {after} more");
            User::of(server.client()).send(&room, &format!("more {after}")).await;
        }
        let texts = other.client().texts(&room).await;
        for reader in &mut readers(&server, &room, &kept).await {
            assert_tell_the_room(&hear(reader, anew + 3).await, &texts, 5);
        }
        // Whose room lost nothing notices nothing.
        User::of(other.client()).send(&untouched, "goes on").await;
        assert_eq!(calm.event().await["message"]["text"], "goes on");
        Crowd::start(server.address()).await.settle_and_check().await;
    }
}
