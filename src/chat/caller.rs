//! Who asks, as far as the network tells.

use std::net::{IpAddr, Ipv4Addr};

/// The caller of a use case. `http` finds out who it is and leaves it in the request's extensions, where the wires take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's address.
    pub address: IpAddr,
}

impl Caller {
    /// All of whom nothing is known, counted as one.
    pub const UNKNOWN: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
}
