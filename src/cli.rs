//! The subcommands of `livechat` besides `serve`, one per file. Each returns the exit code.

pub mod completions;
pub mod config;
pub mod healthcheck;
pub mod migrate;
