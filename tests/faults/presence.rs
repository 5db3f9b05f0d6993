//! Presence over two servers with users who come and go, one server killed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::support::client::RoomKey;
use crate::support::presence::{Member, PresenceReader};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// The promise: every reader's list equals the truth within this time.
const SETTLED_AFTER: Duration = Duration::from_secs(15);

const USERS: usize = 200;

/// A user who opens and closes subscriptions on random servers, until `stop`. Returns the last one, and the index of its server.
async fn come_and_go(
    addresses: [String; 2],
    room: RoomKey,
    member: Member,
    stop: CancellationToken,
) -> (Member, usize, Option<PresenceReader>) {
    loop {
        let server = rand::rng().random_range(0..2);
        let mut reader = PresenceReader::open_as(&addresses[server], &room, &member).await;
        let stay = Duration::from_millis(rand::rng().random_range(100..4_000));
        let is_over = tokio::select! {
            () = tokio::time::sleep(stay) => false,
            () = stop.cancelled() => true,
            () = async { while reader.update().await != "complete" {} } => panic!("the presence has ended"),
        };
        if is_over {
            // Some have just left.
            let stays = rand::rng().random_bool(0.9);
            return (member, server, stays.then_some(reader));
        }
        drop(reader);
        tokio::select! {
            () = tokio::time::sleep(stay) => {}
            () = stop.cancelled() => return (member, server, None),
        }
    }
}

#[tokio::test]
async fn lists_of_present_users_are_true_again_soon_after_a_server_was_killed() {
    let redis = RedisServer::start().await;
    let (mut killed, other) = (Server::on_redis(&redis.url()), Server::on_redis(&redis.url()));
    let (client, address) = (other.client(), other.address().to_owned());
    let room = client.create_room().await;
    let mut readers = Vec::new();
    for _ in 0..10 {
        readers.push(PresenceReader::open(&address, &room, None).await);
    }
    let joins = (0..USERS).map(|n| {
        let (client, room) = (client.clone(), room.clone());
        async move { Member::join(&client, &room, &format!("user {n}")).await }
    });
    // All at once could exceed the time that the server allows Redis on a busy machine.
    let members: Vec<_> = stream::iter(joins).buffer_unordered(20).collect().await;
    let stop = CancellationToken::new();
    let addresses = [killed.address().to_owned(), address.clone()];
    let users: Vec<_> = members
        .into_iter()
        .map(|member| tokio::spawn(come_and_go(addresses.clone(), room.clone(), member, stop.clone())))
        .collect();
    readers[0].until("most users have come", |reader| reader.users.len() > USERS / 2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop.cancel();
    let mut open = Vec::new();
    let mut on_killed = Vec::new();
    for user in users {
        match user.await.expect("a user that did not fail") {
            (member, 1, Some(reader)) => open.push((member, reader)),
            (member, 0, Some(reader)) => on_killed.push((member, reader)),
            _ => {}
        }
    }
    killed.kill();
    let settled_at = Instant::now() + SETTLED_AFTER;
    // Some users of the killed server reconnect to the other one.
    for (member, _) in on_killed.iter().step_by(2) {
        open.push((member.clone(), PresenceReader::open_as(&address, &room, member).await));
    }
    let truth: BTreeSet<_> = open.iter().map(|(member, _)| member.id.clone()).collect();
    assert!(truth.len() > USERS / 8 && on_killed.len() > USERS / 16, "{} {}", truth.len(), on_killed.len());
    let (_, mut user_readers): (Vec<_>, Vec<_>) = open.into_iter().unzip();
    let mut settled = Vec::new();
    for reader in readers.iter_mut().chain(&mut user_readers) {
        let is_true =
            |reader: &PresenceReader| reader.users.keys().eq(&truth) && reader.user_count == truth.len() as u64;
        settled.push(async move {
            timeout_at(settled_at, reader.until("the list is true", is_true)).await.expect("the truth in time");
        });
    }
    join_all(settled).await;
    println!("{} users; the lists were true {:?} before the deadline", truth.len(), settled_at - Instant::now());
}
