//! Moves slots between nodes of a cluster while they are used, step by step as the tools of Redis do.

use super::redis_cluster::{RedisCluster, host_and_port};

/// Keys per move.
const BATCH: &str = "10";

impl RedisCluster {
    /// Moves a slot with all its keys to another primary.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        let from = self.begin_move(slot, to).await;
        while self.move_keys(slot, from, to).await {}
        self.end_move(slot, from, to).await;
    }

    /// Starts a migration: new keys of the slot go to the other primary. Returns the current owner.
    pub async fn begin_move(&self, slot: u16, to: usize) -> usize {
        let from = self.owner(slot).await.expect("a slot that is served");
        assert_ne!(from, to, "the slot is there already");
        let slot = slot.to_string();
        self.node(to).command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", self.id(from)]).await;
        self.node(from).command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", self.id(to)]).await;
        from
    }

    /// Moves a few keys. Returns whether there were any.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize) -> bool {
        let keys: Vec<String> = self.node(from).query(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), BATCH]).await;
        if keys.is_empty() {
            return false;
        }
        let (host, port) = host_and_port(self.node(to));
        let keys = keys.iter().map(String::as_str);
        let words: Vec<_> = ["MIGRATE", &host, &port, "", "0", "30000", "KEYS"].into_iter().chain(keys).collect();
        self.node(from).command(&words).await;
        true
    }

    /// Ends a migration: the slot belongs to the other primary.
    pub async fn end_move(&self, slot: u16, from: usize, to: usize) {
        // The new owner first; otherwise the slot would have no owner for a moment.
        let others = self.running().filter(|other| ![from, to].contains(other));
        for number in [to, from].into_iter().chain(others) {
            if self.node_info(number).await.is_primary {
                self.node(number).command(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", self.id(to)]).await;
            }
        }
    }
}
