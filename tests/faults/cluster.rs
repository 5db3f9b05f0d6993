//! A Redis Cluster whose primaries are killed and frozen. Changes acknowledged well before the fault are kept, and readers learn
//! which of the last changes Redis has lost.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::json;

use super::failover::{assert_lost, open_readers, send_lost_events};
use super::{assert_unavailable, wait_until_ready};
use crate::support::client::User;
use crate::support::crowd::Crowd;
use crate::support::lossy_load::{LossyLoad, room_on};
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::room_view::assert_events_match;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.address().to_owned()).collect()
}

/// The time since the replicas were up to date, in which Redis may have lost changes.
fn lossy_period(replicated: Instant) -> RangeInclusive<Instant> {
    replicated..=Instant::now()
}

/// Waits for the first message after a failover. Prints the duration for docs/reliability.md.
async fn wait_until_accepted(load: &LossyLoad, shard: usize) {
    let start = Instant::now();
    load.wait_for_accepted(shard, 1).await;
    println!("accepted again {:?} after the failover", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_killed_under_load_fails_over_and_returns_as_a_replica() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let load = LossyLoad::start(&addresses(&servers), 3).await;
    let mut lossy = Vec::new();
    // The second primary to be killed is the one that was promoted.
    for _ in 0..2 {
        let slot = load.slot(0);
        let primary = cluster.owner(slot).await.expect("a primary");
        let replicated = cluster.wait_for_replicas(primary).await;
        cluster.kill(primary);
        cluster.wait_for_new_primary(slot, primary).await;
        lossy.push(lossy_period(replicated));
        wait_until_accepted(&load, 0).await;
        load.wait_for_accepted_everywhere(20).await;
        cluster.restart(primary).await;
        cluster.wait_until_settled().await;
        load.wait_for_accepted_everywhere(20).await;
    }
    load.settle_and_check(&lossy).await;
    for server in &servers {
        wait_until_ready(server).await;
        server.assert_no_panic();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_primary_fails_over_and_its_late_messages_are_ignored() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let load = LossyLoad::start(&addresses(&servers), 3).await;
    let slot = load.slot(1);
    let primary = cluster.owner(slot).await.expect("a primary");
    let replicated = cluster.wait_for_replicas(primary).await;
    cluster.freeze(primary);
    cluster.wait_for_new_primary(slot, primary).await;
    wait_until_accepted(&load, 1).await;
    load.wait_for_accepted_everywhere(20).await;
    // For a moment it still considers itself a primary.
    cluster.thaw(primary);
    cluster.wait_until_settled().await;
    let lossy = lossy_period(replicated);
    load.settle_and_check(&[lossy]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_shard_does_not_affect_rooms_of_other_shards() {
    let mut cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url())];
    let load = LossyLoad::start_with_local_users(&addresses(&servers), 3).await;
    let primary = cluster.owner(load.slot(2)).await.expect("a primary");
    let replica = cluster.replicas(primary).await[0];
    // A frozen node later runs the commands that it was sent, so the content of this room is not checked.
    let other = room_on(&servers[0].client(), 2, 3).await;
    let replicated = cluster.wait_for_replicas(primary).await;
    // First the replica, which would be promoted.
    cluster.freeze(replica);
    cluster.freeze(primary);
    for _ in 0..2 {
        let mut ada = User::of(servers[0].client());
        assert_unavailable(&mut ada, &other).await;
        for shard in [0, 1] {
            load.wait_for_accepted(shard, 20).await;
        }
    }
    for node in [primary, replica] {
        cluster.thaw(node);
    }
    cluster.wait_until_settled().await;
    load.wait_for_accepted_everywhere(20).await;
    load.settle_and_check(&[lossy_period(replicated)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_other_shards_keep_their_viewer_counts_while_a_shard_is_unavailable() {
    // Longer than a report of viewers is valid, so it must be repeated meanwhile.
    const OUTAGE: Duration = Duration::from_secs(14);
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
        client.wait_for_viewers(room, 1).await;
    }
    let primary = cluster.owner(slot_of(&rooms[0].id)).await.expect("a primary");
    let replica = cluster.replicas(primary).await[0];
    cluster.freeze(replica);
    cluster.freeze(primary);
    let start = Instant::now();
    while start.elapsed() < OUTAGE {
        // All of them: other rooms were created until each of these was on its shard.
        let page = client.data("{ activeRooms(first: 100) { nodes { id viewerCount } } }", json!({})).await;
        let listed = page["activeRooms"]["nodes"].as_array().expect("rooms");
        for (n, room) in rooms.iter().enumerate().filter(|(n, _)| n % 3 != 0) {
            let listed = listed.iter().find(|listed| listed["id"] == room.id.as_str());
            let after = start.elapsed();
            let listed = listed.unwrap_or_else(|| panic!("room {n} is not listed after {after:?}: {page}"));
            assert_eq!(listed["viewerCount"], 1, "room {n}");
            assert_eq!(client.query_room(room, "viewerCount").await["viewerCount"], 1, "room {n}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for node in [primary, replica] {
        cluster.thaw(node);
    }
    cluster.wait_until_settled().await;
    for room in &rooms {
        client.wait_for_viewers(room, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shard_failover_invalidates_only_cursors_of_lost_events() {
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
    let mut untouched_reader =
        Subscriber::open(server.address(), &untouched, Some(client.cursor(&untouched).await)).await;
    let kept = client.cursor(&room).await;

    // From here on the replica receives no more writes.
    cluster.freeze(replica);
    cluster.node(primary).command(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    let mut live = open_readers(&server, &room, &start).await;
    let lost = send_lost_events(&server, &room, &mut live).await;

    cluster.kill(primary);
    cluster.thaw(replica);
    assert_eq!(cluster.wait_for_new_primary(slot, primary).await, replica);
    assert_lost(&server, &room, &mut live, &lost, 3).await;
    let texts = client.texts(&room).await;
    assert_eq!(texts.len(), 8, "{texts:?}");
    for reader in &mut open_readers(&server, &room, &kept).await {
        assert_events_match(&reader.events(3).await, &texts, 5);
    }
    // Readers of a room without lost events are not affected.
    User::of(client).send(&untouched, "still received").await;
    assert_eq!(untouched_reader.event().await["message"]["text"], "still received");
    Crowd::start(server.address()).await.settle_and_check().await;
}
