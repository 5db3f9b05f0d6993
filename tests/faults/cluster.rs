//! A Redis Cluster whose primaries are killed and frozen. What was acknowledged well before that is kept, whatever happens;
//! what Redis lost of the last moments nobody takes for kept.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::json;

use super::failover::{hear, readers};
use super::{assert_unavailable, ready_again};
use crate::support::client::User;
use crate::support::crowd::Crowd;
use crate::support::reader::assert_tell_the_room;
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::server::Server;
use crate::support::subscriber::{Said, Subscriber};
use crate::support::transport::Transport;
use crate::support::witnesses::{Witnesses, room_on};

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.address().to_owned()).collect()
}

/// From when the replicas had everything until now, Redis may have lost something.
fn since(copied: Instant) -> RangeInclusive<Instant> {
    copied..=Instant::now()
}

/// Waits for the first message since there is another primary; how long it took is printed for docs/reliability.md.
async fn accepted_again(witnesses: &Witnesses, shard: usize) {
    let start = Instant::now();
    witnesses.accept(shard, 1).await;
    println!("accepted again {:?} after there was another primary", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_is_replaced_and_comes_back_as_a_replica() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let witnesses = Witnesses::start(&addresses(&servers), 3).await;
    let mut lossy = Vec::new();
    // The second one to be killed is the one that took over.
    for _ in 0..2 {
        let slot = witnesses.slot(0);
        let primary = cluster.owner(slot).await.expect("a primary");
        let copied = cluster.copied(primary).await;
        cluster.kill(primary);
        cluster.next_token(slot, primary).await;
        lossy.push(since(copied));
        accepted_again(&witnesses, 0).await;
        witnesses.accept_everywhere(20).await;
        cluster.restart(primary).await;
        cluster.settled().await;
        witnesses.accept_everywhere(20).await;
    }
    witnesses.settle_and_check(&lossy).await;
    for server in &servers {
        ready_again(server).await;
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_and_is_not_listened_to_once_it_goes_on() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let witnesses = Witnesses::start(&addresses(&servers), 3).await;
    let slot = witnesses.slot(1);
    let primary = cluster.owner(slot).await.expect("a primary");
    let copied = cluster.copied(primary).await;
    cluster.freeze(primary);
    cluster.next_token(slot, primary).await;
    accepted_again(&witnesses, 1).await;
    witnesses.accept_everywhere(20).await;
    // For a moment it takes itself for a primary still.
    cluster.thaw(primary);
    cluster.settled().await;
    let lossy = since(copied);
    witnesses.settle_and_check(&[lossy]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_away_takes_no_other_rooms_with_it() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url())];
    let witnesses = Witnesses::start(&addresses(&servers), 3).await;
    let primary = cluster.owner(witnesses.slot(2)).await.expect("a primary");
    let replica = cluster.replicas(primary).await[0];
    // What is sent to a frozen node is done when it goes on, so nobody counts what is in this room.
    let other = room_on(&servers[0].client(), 2, 3).await;
    let copied = cluster.copied(primary).await;
    // First the replica, which would take over.
    cluster.freeze(replica);
    cluster.freeze(primary);
    for _ in 0..2 {
        let mut ada = User::of(servers[0].client());
        assert_unavailable(&mut ada, &other).await;
        for shard in [0, 1] {
            // A few: who has a user on that shard waits, and readers have only so much patience.
            witnesses.accept(shard, 5).await;
        }
    }
    for node in [primary, replica] {
        cluster.thaw(node);
    }
    cluster.settled().await;
    witnesses.accept_everywhere(20).await;
    witnesses.settle_and_check(&[since(copied)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_the_other_shards_keep_their_viewers_while_a_shard_is_away() {
    // Longer than a report of viewers counts: it has to be told again meanwhile.
    const AWAY: Duration = Duration::from_secs(14);
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let client = servers[1].client();
    let (mut rooms, mut readers) = (Vec::new(), Vec::new());
    for n in 0..24 {
        let room = room_on(&client, n % 3, 3).await;
        readers.push(Subscriber::open(servers[0].address(), &room, None).await);
        rooms.push(room);
    }
    for room in &rooms {
        client.viewers_become(room, 1).await;
    }
    let primary = cluster.owner(slot_of(&rooms[0].id)).await.expect("a primary");
    let replica = cluster.replicas(primary).await[0];
    cluster.freeze(replica);
    cluster.freeze(primary);
    let begun = Instant::now();
    while begun.elapsed() < AWAY {
        let page = client.data("{ activeRooms { nodes { id viewerCount } } }", json!({})).await;
        let listed = page["activeRooms"]["nodes"].as_array().expect("rooms");
        for (n, room) in rooms.iter().enumerate().filter(|(n, _)| n % 3 != 0) {
            let listed = listed.iter().find(|listed| listed["id"] == room.id.as_str());
            assert_eq!(listed.expect("a room that can be read is listed")["viewerCount"], 1, "room {n}");
            assert_eq!(client.of_room(room, "viewerCount").await["viewerCount"], 1, "room {n}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for node in [primary, replica] {
        cluster.thaw(node);
    }
    cluster.settled().await;
    for room in &rooms {
        client.viewers_become(room, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_what_a_failover_of_a_shard_lost_are_told_so_and_everybody_else_goes_on() {
    let mut cluster = RedisCluster::start().await;
    let server = Server::on_redis(&cluster.url());
    let client = server.client();
    let (room, untouched) = (room_on(&client, 0, 3).await, room_on(&client, 1, 3).await);
    let slot = slot_of(&room.id);
    let primary = cluster.owner(slot).await.expect("a primary");
    let replica = cluster.replicas(primary).await[0];
    let start = client.cursor(&room).await;
    let mut ada = User::of(client.clone());
    for n in 0..5 {
        ada.send(&room, &format!("kept {n}")).await;
    }
    let mut calm = Subscriber::open(server.address(), &untouched, Some(client.cursor(&untouched).await)).await;
    let kept = client.cursor(&room).await;

    // From here on the replica hears nothing any more.
    cluster.freeze(replica);
    cluster.node(primary).command(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    let mut live = readers(&server, &room, &start).await;
    let mut bob = User::of(client.clone());
    bob.send(&room, "lost").await;
    bob.send(&room, "lost too").await;
    for reader in &mut live {
        hear(reader, 7).await;
    }
    let lost = client.cursor(&room).await;

    cluster.kill(primary);
    cluster.thaw(replica);
    assert_eq!(cluster.next_token(slot, primary).await, replica);
    for (reader, transport) in live.iter_mut().zip(Transport::ALL) {
        match reader.next().await {
            Said::Error(error) => assert!(error.to_string().contains("\"CURSOR_INVALID\""), "{error}"),
            other => panic!("a refusal was expected over {transport:?}, not {other:?}"),
        }
    }
    ready_again(&server).await;
    for after in 0..3 {
        let refused = Subscriber::open(server.address(), &room, Some(lost.clone())).await.refusal().await;
        assert_eq!(refused, "CURSOR_INVALID", "{after} more");
        User::of(client.clone()).send(&room, &format!("new {after}")).await;
    }
    let texts = client.texts(&room).await;
    assert_eq!(texts.len(), 8, "{texts:?}");
    for reader in &mut readers(&server, &room, &kept).await {
        let heard = hear(reader, 3).await;
        assert_tell_the_room(&heard, &texts, 5);
    }
    // Whose room lost nothing notices nothing.
    User::of(client).send(&untouched, "goes on").await;
    assert_eq!(calm.event().await["message"]["text"], "goes on");
    Crowd::start(server.address()).await.settle_and_check().await;
}
