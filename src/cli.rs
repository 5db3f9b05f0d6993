//! What `livechat` does besides serving: one file a command, each answers with the status to leave with.

pub mod completions;
pub mod config;
pub mod healthcheck;
pub mod migrate;
