//! Who asks, as far as the network tells.

use std::net::IpAddr;

/// The caller of a use case. `http` finds out who it is and leaves it in the request's extensions, where the wires take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's address.
    pub address: IpAddr,
}
