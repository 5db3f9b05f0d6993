//! The cluster harness of other tests: what it reports about a cluster must be true.

use redis::AsyncCommands as _;

use crate::support::redis_cluster::{RedisCluster, SLOTS, slot_of};

#[tokio::test]
async fn cluster_harness_serves_every_slot_fails_over_and_moves_slots_with_their_keys() {
    let start = std::time::Instant::now();
    let mut cluster = RedisCluster::start().await;
    println!("started within {:?}", start.elapsed());
    assert_eq!(slot_of("123456789"), 0x31C3, "the test vector of the cluster specification");
    for (slot, owner) in [(0, 0), (SLOTS / 2, 1), (SLOTS - 1, 2)] {
        assert_eq!(cluster.owner(slot).await, Some(owner));
        assert_eq!(cluster.replicas(owner).await, [owner + 3]);
    }
    let slot = slot_of("tag");
    let before = cluster.owner(slot).await.expect("an owner");
    let target = (before + 1) % 3;
    for n in 0..25 {
        let mut connection = cluster.node(before).connection().await;
        connection.set::<_, _, ()>(format!("{{tag}}:{n}"), n).await.expect("a key in the node's slot");
    }
    cluster.move_slot(slot, target).await;
    cluster.wait_until_settled().await;
    assert_eq!(cluster.owner(slot).await, Some(target));
    let count_keys = async |cluster: &RedisCluster, node: usize| {
        cluster.node(node).query::<usize>(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await
    };
    assert_eq!((count_keys(&cluster, before).await, count_keys(&cluster, target).await), (0, 25));

    cluster.kill(target);
    assert_eq!(cluster.wait_for_new_primary(slot, target).await, target + 3);
    assert_eq!(count_keys(&cluster, target + 3).await, 25);
    cluster.restart(target).await;
    cluster.wait_until_settled().await;
    assert_eq!(cluster.replicas(target + 3).await, [target]);

    cluster.freeze(target + 3);
    assert_eq!(cluster.wait_for_new_primary(slot, target + 3).await, target);
    cluster.thaw(target + 3);
    cluster.wait_until_settled().await;
    assert_eq!(cluster.replicas(target).await, [target + 3]);
}
