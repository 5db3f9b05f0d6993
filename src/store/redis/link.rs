//! Connections to Redis: batching, cluster topology, failover and TLS. Nothing here knows about rooms.

pub(in crate::store::redis) mod batching;
pub(in crate::store::redis) mod cluster;
pub(in crate::store::redis) mod connect_error;
pub(in crate::store::redis) mod connection;
pub(in crate::store::redis) mod primary;
pub mod settings;
pub(in crate::store::redis) mod slots;
pub(in crate::store::redis) mod tls;
