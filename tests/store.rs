//! The store contract, and what each store must get right.

mod backup;
mod cluster_shards;
mod cluster_store;
pub mod conformance;
mod disk;
mod first_start;
mod hub;
mod migrate;
mod model;
mod newer_data;
mod redis_acl;
mod redis_cluster;
mod redis_deleted_text;
mod redis_rooms;
mod redis_store;
mod redis_tls;
mod upgrade;
