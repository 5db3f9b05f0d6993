//! The larger subcommands of `livechat` besides `serve`. Each returns the exit code.

pub mod backup;
pub mod config;
pub mod healthcheck;
pub mod man;
pub mod migrate;
