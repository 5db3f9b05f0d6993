//! Connections to Redis: batching, deadlines, cluster topology, Sentinel, TLS and pub/sub. Knows nothing of rooms: the caller
//! decides what a key, a channel or a script stands for.

pub mod batching;
pub mod cluster;
pub mod commands;
pub mod connect_error;
pub mod error;
pub mod pool;
pub mod primary;
pub mod pubsub;
pub mod routed_connection;
pub mod script;
pub mod settings;
pub mod slots;
pub mod tls;
pub mod topology;
