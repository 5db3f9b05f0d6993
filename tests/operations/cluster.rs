//! Redis Cluster while all its nodes are well: slots move, and every server hears and holds no more than it needs. What breaks
//! is in `faults`.

use std::collections::HashMap;

use crate::support::client::User;
use crate::support::crowd::Crowd;
use crate::support::eventually;
use crate::support::redis_cluster::{RedisCluster, slot_of};
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;
use crate::support::witnesses::{Witnesses, room_on};

/// Slots that move in a resharding.
const RESHARDED: u16 = 48;

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_while_rooms_in_them_are_written_and_read_lose_nothing() {
    let cluster = RedisCluster::start().await;
    let servers = [Server::on_redis(&cluster.url()), Server::on_redis(&cluster.url())];
    let addresses: Vec<_> = servers.iter().map(|server| server.address().to_owned()).collect();
    let witnesses = Witnesses::start(&addresses, 3).await;
    let crowd = Crowd::start(&addresses[1]).await;

    // One after the other, and round once: each comes back to where it was.
    let slots = [0, 1, 2].map(|shard| witnesses.slot(shard)).into_iter().chain([slot_of(&crowd.room.id)]);
    let slots: Vec<_> = slots.collect();
    for round in 0..3 {
        for (number, slot) in slots.iter().enumerate() {
            let to = (cluster.owner(*slot).await.expect("a primary") + 1) % 3;
            let from = cluster.begin_move(*slot, to).await;
            // Others go on while a room lies on two nodes.
            let moved = cluster.move_keys(*slot, from, to).await;
            assert!(moved, "there is something in slot {slot}");
            witnesses.accept((number + 1) % 3, 5).await;
            while cluster.move_keys(*slot, from, to).await {}
            cluster.end_move(*slot, from, to).await;
        }
        cluster.settled().await;
        witnesses.accept_everywhere(10).await;
        crowd.wait_for_accepted(10).await;
        println!("round {round} is done");
    }

    // A whole stretch of slots, and rooms in it, goes to another node, with no rest between.
    let slot = witnesses.slot(0).min(16_383 - RESHARDED);
    let to = 2;
    for slot in (slot..=slot + RESHARDED).chain([witnesses.slot(0), slot_of(&crowd.room.id)]) {
        if cluster.owner(slot).await.expect("a primary") != to {
            cluster.move_slot(slot, to).await;
        }
    }
    cluster.settled().await;
    let outcome = witnesses.settle_and_check(&[]).await;
    assert_eq!((outcome.lost, outcome.read_anew), (0, 0));
    crowd.settle_and_check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_sent_what_happens_in_rooms_watched_on_it_and_holds_few_connections() {
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
            client.viewers_become(&room, readers.len()).await;
            rooms.push((room, shard, servers.len(), readers));
        }
    }
    for (room, shard, servers, readers) in &mut rooms {
        let told = listeners(&cluster, *shard, &room.id).await;
        assert_eq!(told, *servers, "one announcement a server, and none to a server without readers");
        User::of(client.clone()).send(room, "to whom it concerns").await;
        for reader in readers {
            assert_eq!(reader.event().await["message"]["text"], "to whom it concerns");
        }
    }

    // What a server holds does not depend on how many other servers there are.
    let two = connections(&cluster).await;
    let third = Server::on_redis(&cluster.url());
    let crowds = [Crowd::start(third.address()).await, Crowd::start(first.address()).await];
    for crowd in crowds {
        crowd.settle_and_check().await;
    }
    let three = connections(&cluster).await;
    println!("connections a node: two servers {two:?}, three {three:?}");
    for node in three.values() {
        assert!(*node <= 3 * CONNECTIONS_A_NODE, "{three:?}");
    }

    for (room, shard, _, readers) in rooms {
        drop(readers);
        eventually("nobody listens any more", async || listeners(&cluster, shard, &room.id).await == 0).await;
    }
}

/// Connections that a server holds to a node, at most, as docs/operations.md has it.
const CONNECTIONS_A_NODE: usize = 3;

/// How many listen to the events of a room on the shard that has it.
async fn listeners(cluster: &RedisCluster, shard: usize, room: &str) -> usize {
    let channel = format!("livechat:{{{room}}}:events");
    let (_, count): (String, usize) = cluster.node(shard).ask(&["PUBSUB", "SHARDNUMSUB", &channel]).await;
    count
}

/// How many connections of clients each node has, but for the one that asks.
async fn connections(cluster: &RedisCluster) -> HashMap<usize, usize> {
    let mut connections = HashMap::new();
    for node in cluster.awake() {
        let clients: String = cluster.node(node).ask(&["CLIENT", "LIST"]).await;
        let others = clients.lines().filter(|line| !line.contains("cmd=client|list") && !line.contains("flags=S"));
        connections.insert(node, others.filter(|line| !line.contains("flags=M")).count());
    }
    connections
}
