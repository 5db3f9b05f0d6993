//! The topology of a cluster: which primary owns which slot. Parsed from the views of several nodes and merged by the rule of
//! Redis Cluster: the highest epoch wins. Does no I/O; `cluster` queries the nodes.

use std::collections::HashMap;
use std::sync::Arc;

use redis::Value;

use crate::store::redis::link::batching::Server;
use crate::store::redis::link::slots::{Address, SLOT_COUNT, slot_of};

/// A node that takes commands.
pub struct Node {
    pub address: Address,
    pub server: Server,
}

/// The nodes of a cluster and their slots, as last seen.
pub struct Topology {
    pub slot_map: SlotMap,
    /// In the order of `slot_map.primaries`.
    pub primaries: Vec<Arc<Node>>,
    pub replicas: Vec<Address>,
}

impl Topology {
    /// Without any node.
    pub fn empty() -> Self {
        Self { slot_map: SlotMap::merge(&[]), primaries: Vec::new(), replicas: Vec::new() }
    }

    /// The owner of a slot, if it has one.
    pub fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.slot_map.owner(slot).map(|index| &self.primaries[index])
    }

    /// The address of the node that owns the slot of a key or channel.
    pub fn address_of(&self, key: &str) -> Option<&Address> {
        self.owner(slot_of(key.as_bytes())).map(|node| &node.address)
    }

    /// For each primary, the first of `key(0)`, `key(1)` and so on that it owns; nothing for a primary with hardly any slots.
    pub fn key_on_each_primary(&self, key: impl Fn(u32) -> String) -> Vec<String> {
        const MAX_TRIES: u32 = 20_000;
        let mut found = vec![None; self.primaries.len()];
        let mut missing = found.len();
        for key in (0..MAX_TRIES).map(key) {
            if missing == 0 {
                break;
            }
            if let Some(index) = self.slot_map.owner(slot_of(key.as_bytes()))
                && found[index].is_none()
            {
                found[index] = Some(key);
                missing -= 1;
            }
        }
        found.into_iter().flatten().collect()
    }
}

/// The topology as one node sees it.
#[derive(Debug)]
pub struct NodeView {
    claims: Vec<Claim>,
    pub replicas: Vec<Address>,
}

/// A range of slots that a primary claims.
#[derive(Clone, Debug)]
struct Claim {
    first: u16,
    last: u16,
    primary: Address,
    epoch: u64,
}

impl NodeView {
    /// Parses the replies of the node at `source` to `CLUSTER SLOTS` and `CLUSTER NODES`.
    pub fn parse(slots: Value, nodes: &str, source: &Address) -> Option<Self> {
        let epochs: HashMap<_, u64> = nodes
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?, words.nth(5)?.parse().ok()?))
            })
            .collect();
        let mut view = Self { claims: Vec::new(), replicas: Vec::new() };
        let Value::Array(ranges) = slots else { return None };
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let mut parts = parts.into_iter();
            let (first, last) = (parse_slot(parts.next())?, parse_slot(parts.next())?);
            let (primary, id) = parse_node(parts.next(), source)?;
            let epoch = epochs.get(&*id).copied().unwrap_or(0);
            view.claims.extend(primary.map(|primary| Claim { first, last, primary, epoch }));
            for part in parts {
                view.replicas.extend(parse_node(Some(part), source)?.0);
            }
        }
        Some(view)
    }
}

fn parse_slot(value: Option<Value>) -> Option<u16> {
    let Some(Value::Int(slot)) = value else { return None };
    u16::try_from(slot).ok().filter(|slot| *slot < SLOT_COUNT)
}

/// A node's address, if it is known, and its id.
fn parse_node(value: Option<Value>, source: &Address) -> Option<(Option<Address>, String)> {
    let Some(Value::Array(parts)) = value else { return None };
    let [host, Value::Int(port), Value::BulkString(id), ..] = &parts[..] else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8_lossy(host).into_owned(),
        Value::BulkString(_) | Value::Nil => source.host.clone(),
        _ => return None,
    };
    let port = u16::try_from(*port).ok()?;
    // `?` stands for a node that is announced by name but has no name yet.
    let address = (host != "?").then_some(Address { host, port });
    Some((address, String::from_utf8_lossy(id).into_owned()))
}

/// The owner of each slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    /// Sorted, without duplicates.
    pub primaries: Vec<Address>,
    /// For each slot an index into `primaries`.
    owners: Vec<Option<u16>>,
}

impl SlotMap {
    /// Merges several views. Of several claims to a slot, the one with the highest epoch wins.
    pub fn merge(views: &[NodeView]) -> Self {
        let mut winners: Vec<Option<&Claim>> = vec![None; usize::from(SLOT_COUNT)];
        for claim in views.iter().flat_map(|view| &view.claims) {
            for slot in claim.first..=claim.last {
                let winner = &mut winners[usize::from(slot)];
                if winner.is_none_or(|winner| claim.epoch > winner.epoch) {
                    *winner = Some(claim);
                }
            }
        }
        let mut primaries: Vec<_> = winners.iter().flatten().map(|claim| &claim.primary).collect();
        // Most neighbours are equal, so that there is little left to sort.
        primaries.dedup();
        primaries.sort_unstable();
        primaries.dedup();
        let index = |claim: &Claim| u16::try_from(primaries.binary_search(&&claim.primary).ok()?).ok();
        let owners = winners.iter().map(|winner| winner.and_then(index)).collect();
        Self { primaries: primaries.into_iter().cloned().collect(), owners }
    }

    /// The index in `primaries` of the owner of a slot, if it has one.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        self.owners[usize::from(slot)].map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn range(first: i64, last: i64, port: i64, id: &str) -> Value {
        let node = Value::Array(vec![bulk(""), Value::Int(port), bulk(id), Value::Array(Vec::new())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    fn view(ranges: Vec<Value>, nodes: &str) -> NodeView {
        NodeView::parse(Value::Array(ranges), nodes, &address(0)).expect("a view")
    }

    fn address(port: u16) -> Address {
        Address { host: "here".into(), port }
    }

    #[test]
    fn of_two_claims_to_a_slot_the_later_one_wins() {
        let before =
            view(vec![range(0, 9, 1, "one"), range(10, 16_383, 2, "two")], "one a f - 0 0 1 up\ntwo a f - 0 0 2 up");
        let after = view(vec![range(0, 9, 3, "three")], "three a f - 0 0 7 up");
        for views in [[&before, &after], [&after, &before]] {
            let views = views.map(|view| NodeView { claims: view.claims.clone(), replicas: Vec::new() });
            let slot_map = SlotMap::merge(&views);
            assert_eq!(slot_map.primaries, [address(2), address(3)]);
            assert_eq!((slot_map.owner(9), slot_map.owner(10)), (Some(1), Some(0)));
        }
        assert_eq!(SlotMap::merge(&[after]).owner(10), None);
    }
}
