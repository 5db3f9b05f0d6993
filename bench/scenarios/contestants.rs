//! The servers that are compared.

use crate::peers;
use crate::protocol::{Floor, Graphql, Livechat, Protocol, SocketIo};

/// A server that takes part in a comparison.
pub struct Contestant {
    /// The name in the results.
    pub name: &'static str,
    pub protocol: &'static dyn Protocol,
    pub program: Program,
}

#[derive(Clone, Copy)]
pub enum Program {
    Livechat { on_redis: bool, pinned: bool },
    Peer(peers::Program),
}

pub const FLOOR: Contestant =
    Contestant { name: "floor", protocol: &Floor, program: Program::Peer(peers::Program::Rust("floor")) };
pub const ON_REDIS: Contestant =
    Contestant { name: "redis", protocol: &Livechat, program: Program::Livechat { on_redis: true, pinned: true } };
pub const EMBEDDED: Contestant =
    Contestant { name: "embedded", protocol: &Livechat, program: Program::Livechat { on_redis: false, pinned: true } };
/// One of several on the same Redis, free to use all cores.
pub const NODE: Contestant =
    Contestant { name: "node", protocol: &Livechat, program: Program::Livechat { on_redis: true, pinned: false } };
const GRAPHQL_AXUM: Contestant = Contestant {
    name: "graphql_axum",
    protocol: &Graphql,
    program: Program::Peer(peers::Program::Rust("graphql_axum")),
};
const YOGA: Contestant =
    Contestant { name: "yoga", protocol: &Graphql, program: Program::Peer(peers::Program::Node("yoga.js")) };
const SOCKET_IO: Contestant =
    Contestant { name: "socket_io", protocol: &SocketIo, program: Program::Peer(peers::Program::Node("socket-io.js")) };

/// Livechat and the floor.
pub const OURS: &[&Contestant] = &[&FLOOR, &ON_REDIS, &EMBEDDED];
/// Everything that is compared.
pub const ALL: &[&Contestant] = &[&FLOOR, &ON_REDIS, &EMBEDDED, &GRAPHQL_AXUM, &YOGA, &SOCKET_IO];

impl Contestant {
    /// Whether everything that the server needs is installed.
    pub fn is_installed(&self) -> bool {
        match self.program {
            Program::Livechat { .. } => true,
            Program::Peer(program) => program.is_installed(),
        }
    }
}
