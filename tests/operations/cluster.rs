//! A healthy Redis Cluster: slots migrate, and every server subscribes to and connects to no more than it needs. Failing nodes are
//! in `faults::cluster`.

use std::collections::HashMap;

use crate::support::client::User;
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::lossy_load::{LossyLoad, room_on};
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

/// Slots that migrate at once.
const MIGRATED: u16 = 48;

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_migrate_under_load_lose_nothing() {
    let cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let addresses: Vec<_> = servers.iter().map(|server| server.address().to_owned()).collect();
    let load = LossyLoad::start(&addresses, 3).await;
    let crowd = Crowd::start(&addresses[1]).await;

    // Each slot moves three times, which returns it to its first node.
    let slots = [0, 1, 2].map(|shard| load.slot(shard)).into_iter().chain([slot_of(&crowd.room.id)]);
    let slots: Vec<_> = slots.collect();
    for round in 0..3 {
        for (number, slot) in slots.iter().enumerate() {
            let to = (cluster.owner(*slot).await.expect("a primary") + 1) % 3;
            let from = cluster.begin_move(*slot, to).await;
            // Other rooms are served while a room is on two nodes.
            let moved = cluster.move_keys(*slot, from, to).await;
            assert!(moved, "slot {slot} has keys");
            load.wait_for_accepted((number + 1) % 3, 5).await;
            while cluster.move_keys(*slot, from, to).await {}
            cluster.end_move(*slot, from, to).await;
        }
        cluster.wait_until_settled().await;
        load.wait_for_accepted_everywhere(10).await;
        crowd.wait_for_accepted(10).await;
        println!("round {round} is done");
    }

    // A whole range of slots with rooms migrates to another node, without pauses.
    let slot = load.slot(0).min(16_383 - MIGRATED);
    let to = 2;
    for slot in (slot..=slot + MIGRATED).chain([load.slot(0), slot_of(&crowd.room.id)]) {
        if cluster.owner(slot).await.expect("a primary") != to {
            cluster.move_slot(slot, to).await;
        }
    }
    cluster.wait_until_settled().await;
    let outcome = load.settle_and_check(&[]).await;
    assert_eq!((outcome.lost, outcome.restarts), (0, 0));
    crowd.settle_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_subscribes_only_to_its_watched_rooms_and_holds_few_connections() {
    let cluster = RedisCluster::start().await;
    let [first, second] = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let client = first.client();
    let watched_by: [&[&Server]; 4] = [&[], &[&first], &[&second], &[&first, &second]];
    let mut rooms = Vec::new();
    for shard in 0..3 {
        for servers in watched_by {
            let room = room_on(&client, shard, 3).await;
            let mut readers = Vec::new();
            for server in servers {
                for _ in 0..2 {
                    let start = client.cursor(&room).await;
                    readers.push(Subscriber::open(server.address(), &room, Some(start)).await);
                }
            }
            client.wait_for_viewers(&room, readers.len()).await;
            rooms.push((room, shard, servers.len(), readers));
        }
    }
    for (room, shard, servers, readers) in &mut rooms {
        let subscribed = subscribers(&cluster, *shard, &room.id).await;
        assert_eq!(subscribed, *servers, "one subscription per server with readers, none for other servers");
        User::of(client.clone()).send(room, "for the readers").await;
        for reader in readers {
            assert_eq!(reader.event().await["message"]["text"], "for the readers");
        }
    }

    // The connections of a server do not depend on the number of other servers.
    let two = connections(&cluster).await;
    let third = Server::on_redis(&cluster.url());
    let crowds = [Crowd::start(third.address()).await, Crowd::start(first.address()).await];
    for crowd in crowds {
        crowd.settle_and_check().await;
    }
    let three = connections(&cluster).await;
    println!("connections per node: two servers {two:?}, three {three:?}");
    for node in three.values() {
        assert!(*node <= 3 * CONNECTIONS_PER_NODE, "{three:?}");
    }

    for (room, shard, _, readers) in rooms {
        drop(readers);
        eventually("all subscriptions are ended", async || subscribers(&cluster, shard, &room.id).await == 0).await;
    }
}

/// Connections that a server holds to a node, at most, as docs/operations.md documents it.
const CONNECTIONS_PER_NODE: usize = 3;

/// Counts the subscribers of a room's events on its shard.
async fn subscribers(cluster: &RedisCluster, shard: usize, room: &str) -> usize {
    let channel = format!("livechat:1:{{{room}}}:room");
    let (_, count): (String, usize) = cluster.node(shard).query(&["PUBSUB", "SHARDNUMSUB", &channel]).await;
    count
}

/// Counts the client connections of each node, without the one that runs this query.
async fn connections(cluster: &RedisCluster) -> HashMap<usize, usize> {
    let mut connections = HashMap::new();
    for node in cluster.running() {
        let clients: String = cluster.node(node).query(&["CLIENT", "LIST"]).await;
        let others = clients.lines().filter(|line| !line.contains("cmd=client|list") && !line.contains("flags=S"));
        connections.insert(node, others.filter(|line| !line.contains("flags=M")).count());
    }
    connections
}
