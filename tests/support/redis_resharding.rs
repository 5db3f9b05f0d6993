//! Slots that move from one node of a cluster to another while they are used, step by step as Redis's own tools do it.

use super::redis_cluster::{RedisCluster, host_and_port};

/// Keys that move at a time.
const AT_A_TIME: &str = "10";

impl RedisCluster {
    /// Moves a slot to another primary, with all that is in it.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        let from = self.begin_move(slot, to).await;
        while self.move_keys(slot, from, to).await {}
        self.end_move(slot, from, to).await;
    }

    /// From here on what is new in the slot goes to the other primary; who has the slot.
    pub async fn begin_move(&self, slot: u16, to: usize) -> usize {
        let from = self.owner(slot).await.expect("a slot that is served");
        assert_ne!(from, to, "the slot is there");
        let slot = slot.to_string();
        self.node(to).command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", self.id(from)]).await;
        self.node(from).command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", self.id(to)]).await;
        from
    }

    /// Moves a few keys; whether there were any.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize) -> bool {
        let keys: Vec<String> = self.node(from).ask(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), AT_A_TIME]).await;
        if keys.is_empty() {
            return false;
        }
        let (host, port) = host_and_port(self.node(to));
        let keys = keys.iter().map(String::as_str);
        let words: Vec<_> = ["MIGRATE", &host, &port, "", "0", "5000", "KEYS"].into_iter().chain(keys).collect();
        self.node(from).command(&words).await;
        true
    }

    /// From here on the slot belongs to the other primary.
    pub async fn end_move(&self, slot: u16, from: usize, to: usize) {
        // The new owner first: were it the last to know, nobody would be the owner meanwhile.
        let others = self.awake().filter(|other| ![from, to].contains(other));
        for number in [to, from].into_iter().chain(others) {
            if self.role(number).await.is_primary {
                self.node(number).command(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", self.id(to)]).await;
            }
        }
    }
}
