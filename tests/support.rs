//! What tests share.

pub mod redis_server;
