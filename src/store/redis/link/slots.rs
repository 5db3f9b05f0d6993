//! Which primary of a cluster has which slot: computed for a key, read from what nodes say, and decided between them by the
//! rule that the cluster itself goes by. Pure; who asks the nodes is `cluster`.

use std::collections::HashMap;
use std::fmt;

use redis::{Cmd, ConnectionAddr, Value};

use crate::store::redis::codec::Unreadable;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads `host:port`; the host may be empty, or one of IPv6, with brackets or without.
    pub fn of(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// Where a connection leads, if that is over a network.
    pub fn of_connection(connection: &ConnectionAddr) -> Option<Self> {
        match connection {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self { host: host.clone(), port: *port })
            }
            _ => None,
        }
    }

    /// Reads the address in a redirection; without a host it is another port of the node that sent it, `by`.
    pub fn of_redirection(text: &str, by: &Self) -> Option<Self> {
        let address = Self::of(text)?;
        let host = if address.host.is_empty() { by.host.clone() } else { address.host };
        Some(Self { host, ..address })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The slot of a key or a channel.
pub fn slot_of(key: &[u8]) -> u16 {
    let position = |of: u8, within: &[u8]| within.iter().position(|byte| *byte == of);
    let tag = position(b'{', key).and_then(|open| {
        let inside = &key[open + 1..];
        position(b'}', inside).filter(|length| *length > 0).map(|length| &inside[..length])
    });
    checksum(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM, as the cluster specification of Redis asks for.
fn checksum(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = table();
    bytes.iter().fold(0, |sum, byte| (sum << 8) ^ TABLE[usize::from((sum >> 8) as u8 ^ byte)])
}

const fn table() -> [u16; 256] {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut sum, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// The slot in which a command works, if it names a key.
pub fn slot_of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(word) => word,
        _ => &[],
    });
    let key = match words.next()? {
        b"EVALSHA" => words.nth(2)?,
        b"SET" | b"UNLINK" => words.next()?,
        _ => return None,
    };
    Some(slot_of(key))
}

/// What one node takes the cluster for.
#[derive(Debug)]
pub struct View {
    /// First and last slot, who has them, and the epoch of that claim.
    claims: Vec<(u16, u16, Address, u64)>,
    /// Nodes that keep copies.
    pub replicas: Vec<Address>,
}

impl View {
    /// Reads the answers to `CLUSTER SLOTS` and `CLUSTER NODES` of the node at `told_by`.
    pub fn read(slots: Value, nodes: &str, told_by: &Address) -> Result<Self, Unreadable> {
        const UNREADABLE: Unreadable = Unreadable::CLUSTER;
        let epochs: HashMap<_, u64> = nodes
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?, words.nth(5)?.parse().ok()?))
            })
            .collect();
        let mut view = Self { claims: Vec::new(), replicas: Vec::new() };
        let Value::Array(ranges) = slots else { return Err(UNREADABLE) };
        for range in ranges {
            let Value::Array(parts) = range else { return Err(UNREADABLE) };
            let mut parts = parts.into_iter();
            let (first, last) = (slot(parts.next())?, slot(parts.next())?);
            let (primary, id) = node(parts.next(), told_by)?;
            view.claims.extend(primary.map(|at| (first, last, at, epochs.get(&*id).copied().unwrap_or(0))));
            for part in parts {
                view.replicas.extend(node(Some(part), told_by)?.0);
            }
        }
        Ok(view)
    }
}

fn slot(value: Option<Value>) -> Result<u16, Unreadable> {
    match value {
        Some(Value::Int(slot)) => u16::try_from(slot).ok().filter(|slot| *slot < SLOTS).ok_or(Unreadable::CLUSTER),
        _ => Err(Unreadable::CLUSTER),
    }
}

/// A node's address, if it tells one, and its id.
fn node(value: Option<Value>, told_by: &Address) -> Result<(Option<Address>, String), Unreadable> {
    let Some(Value::Array(parts)) = value else { return Err(Unreadable::CLUSTER) };
    let [host, Value::Int(port), Value::BulkString(id), ..] = &parts[..] else { return Err(Unreadable::CLUSTER) };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8_lossy(host).into_owned(),
        Value::BulkString(_) | Value::Nil => told_by.host.clone(),
        _ => return Err(Unreadable::CLUSTER),
    };
    let port = u16::try_from(*port).map_err(|_| Unreadable::CLUSTER)?;
    // A node that is asked to be known by a name it does not have yet.
    let address = (host != "?").then_some(Address { host, port });
    Ok((address, String::from_utf8_lossy(id).into_owned()))
}

/// Who has which slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In order, each once.
    pub primaries: Vec<Address>,
    /// For each slot a place in `primaries`.
    owners: Vec<Option<u16>>,
}

impl Layout {
    /// What is so when these nodes are asked: of several claims to a slot, the one of the highest epoch counts.
    pub fn of(views: &[View]) -> Self {
        let mut primaries: Vec<_> = views.iter().flat_map(|view| &view.claims).map(|claim| claim.2.clone()).collect();
        primaries.sort_unstable();
        primaries.dedup();
        let mut owners = vec![None; usize::from(SLOTS)];
        let mut epochs = vec![0; usize::from(SLOTS)];
        for (first, last, address, epoch) in views.iter().flat_map(|view| &view.claims) {
            let place = primaries.binary_search(address).ok().and_then(|place| u16::try_from(place).ok());
            for slot in usize::from(*first)..=usize::from(*last) {
                if owners[slot].is_none() || *epoch > epochs[slot] {
                    (owners[slot], epochs[slot]) = (place, *epoch);
                }
            }
        }
        // Who only claims what others have is no primary any more.
        let mut remaining = Self { primaries: Vec::new(), owners: vec![None; usize::from(SLOTS)] };
        for (place, address) in (0..).zip(primaries) {
            if owners.contains(&Some(place)) {
                let kept = u16::try_from(remaining.primaries.len()).ok();
                remaining.primaries.push(address);
                for (owner, old) in remaining.owners.iter_mut().zip(&owners) {
                    if *old == Some(place) {
                        *owner = kept;
                    }
                }
            }
        }
        remaining
    }

    /// The place in `primaries` of who has the slot, if anybody has.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        self.owners[usize::from(slot)].map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_that_redis_computes() {
        assert_eq!(checksum(b"123456789"), 0x31C3);
        for (key, slot) in
            [("foo", 12_182), ("bar", 5_061), ("a{foo}b{bar}", 12_182), ("{}foo", 9_500), ("", 0), ("{foo", 13_308)]
        {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_command_works_in_the_slot_of_its_first_key() {
        let mut call = redis::cmd("EVALSHA");
        call.arg("digest").arg(2).arg("foo").arg("bar");
        assert_eq!(slot_of_command(&call), Some(12_182));
        assert_eq!(slot_of_command(redis::cmd("UNLINK").arg("bar")), Some(5_061));
        assert_eq!(slot_of_command(redis::cmd("SCRIPT").arg("LOAD").arg("return")), None);
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn range(first: i64, last: i64, port: i64, id: &str) -> Value {
        let node = Value::Array(vec![bulk(""), Value::Int(port), bulk(id), Value::Array(Vec::new())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    fn view(ranges: Vec<Value>, nodes: &str) -> View {
        View::read(Value::Array(ranges), nodes, &address(0)).expect("a view")
    }

    fn address(port: u16) -> Address {
        Address { host: "here".into(), port }
    }

    #[test]
    fn of_two_claims_to_a_slot_the_later_one_counts() {
        let before =
            view(vec![range(0, 9, 1, "one"), range(10, 16_383, 2, "two")], "one a f - 0 0 1 up\ntwo a f - 0 0 2 up");
        let after = view(vec![range(0, 9, 3, "three")], "three a f - 0 0 7 up");
        for views in [[&before, &after], [&after, &before]] {
            let views = views.map(|view| View { claims: view.claims.clone(), replicas: Vec::new() });
            let layout = Layout::of(&views);
            assert_eq!(layout.primaries, [address(2), address(3)]);
            assert_eq!((layout.owner(9), layout.owner(10)), (Some(1), Some(0)));
        }
        assert_eq!(Layout::of(&[after]).owner(10), None);
    }
}
