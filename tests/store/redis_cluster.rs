//! The clusters that other tests run on: what the harness says about one must be so.

use redis::AsyncCommands as _;

use crate::support::redis_cluster::{RedisCluster, SLOTS, slot_of};

#[tokio::test]
async fn a_cluster_serves_every_slot_survives_its_primaries_and_moves_slots_with_what_is_in_them() {
    let start = std::time::Instant::now();
    let mut cluster = RedisCluster::start().await;
    println!("started within {:?}", start.elapsed());
    assert_eq!(slot_of("123456789"), 0x31C3, "as the specification of Redis Cluster has it");
    for (slot, owner) in [(0, 0), (SLOTS / 2, 1), (SLOTS - 1, 2)] {
        assert_eq!(cluster.owner(slot).await, Some(owner));
        assert_eq!(cluster.replicas(owner).await, [owner + 3]);
    }
    let slot = slot_of("tag");
    let before = cluster.owner(slot).await.expect("an owner");
    let target = (before + 1) % 3;
    for n in 0..25 {
        let mut connection = cluster.node(before).connection().await;
        connection.set::<_, _, ()>(format!("{{tag}}:{n}"), n).await.expect("a slot of its own");
    }
    cluster.move_slot(slot, target).await;
    cluster.settled().await;
    assert_eq!(cluster.owner(slot).await, Some(target));
    let kept = async |cluster: &RedisCluster, node: usize| {
        cluster.node(node).ask::<usize>(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await
    };
    assert_eq!((kept(&cluster, before).await, kept(&cluster, target).await), (0, 25));

    cluster.kill(target);
    assert_eq!(cluster.next_token(slot, target).await, target + 3);
    assert_eq!(kept(&cluster, target + 3).await, 25);
    cluster.restart(target).await;
    cluster.settled().await;
    assert_eq!(cluster.replicas(target + 3).await, [target]);

    cluster.freeze(target + 3);
    assert_eq!(cluster.next_token(slot, target + 3).await, target);
    cluster.thaw(target + 3);
    cluster.settled().await;
    assert_eq!(cluster.replicas(target).await, [target + 3]);
}
