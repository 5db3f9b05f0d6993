//! Hash slots of keys and channels, and addresses of nodes. Which node owns a slot is in `topology`.

use std::fmt;

use crc16::{State, XMODEM};
use redis::{Cmd, ConnectionAddr};

/// Slots of a cluster.
pub const SLOT_COUNT: u16 = 16_384;

/// Host and port of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Parses `host:port`. The host may be empty or an IPv6 address, with brackets or without.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// The address of a network connection; `None` for a Unix socket.
    pub fn of_connection(connection: &ConnectionAddr) -> Option<Self> {
        match connection {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self { host: host.clone(), port: *port })
            }
            _ => None,
        }
    }

    /// Parses the target of a redirect. Without a host it is another port of the node that sent the redirect, `source`.
    pub fn parse_redirect(text: &str, source: &Self) -> Option<Self> {
        let address = Self::parse(text)?;
        let host = if address.host.is_empty() { source.host.clone() } else { address.host };
        Some(Self { host, ..address })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The slot of a key or a channel: that of its hash tag, if it has one.
pub fn slot_of(key: &[u8]) -> u16 {
    let position = |of: u8, within: &[u8]| within.iter().position(|byte| *byte == of);
    let tag = position(b'{', key).and_then(|open| {
        let inside = &key[open + 1..];
        position(b'}', inside).filter(|length| *length > 0).map(|length| &inside[..length])
    });
    State::<XMODEM>::calculate(tag.unwrap_or(key)) % SLOT_COUNT
}

/// The slot of the first key of a command that we send; `None` for a command without keys.
pub fn slot_of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(word) => word,
        _ => &[],
    });
    let key = match words.next()? {
        b"EVALSHA" => words.nth(2)?,
        b"SCRIPT" => return None,
        _ => words.next()?,
    };
    Some(slot_of(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_match_those_of_redis() {
        assert_eq!(slot_of(b"123456789"), 0x31C3, "the test vector of the cluster specification");
        for (key, slot) in
            [("foo", 12_182), ("bar", 5_061), ("a{foo}b{bar}", 12_182), ("{}foo", 9_500), ("", 0), ("{foo", 13_308)]
        {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn slot_of_a_command_is_that_of_its_first_key() {
        let mut call = redis::cmd("EVALSHA");
        call.arg("digest").arg(2).arg("foo").arg("bar");
        assert_eq!(slot_of_command(&call), Some(12_182));
        assert_eq!(slot_of_command(redis::cmd("UNLINK").arg("bar")), Some(5_061));
        assert_eq!(slot_of_command(redis::cmd("SCRIPT").arg("LOAD").arg("return")), None);
    }
}
