//! LiveChat: chat rooms that live 24 hours, over GraphQL with subscriptions and over the legacy REST routes.
//!
//! The modules, in the order of their imports: each uses only those above it.
//!
//! - [`domain`]: rooms, messages, users, events and their rules; pure code without I/O
//! - [`error_code`]: the error codes of both APIs
//! - `header_list`: parsing of list-valued headers
//! - [`client_limit`]: limits on what one client and all clients together may hold at once
//! - [`open_files`]: the limit of open files, and the number of connections that fit within it
//! - [`unsent_bytes`]: memory limits for responses that wait to be sent
//! - [`critical_tasks`]: tasks whose failure stops the server
//! - [`detached_tasks`]: work that continues when its client disconnects
//! - `watched_files`: files that are read again when they have changed
//! - [`metrics`]: registration and rendering of Prometheus metrics
//! - `counted_connection`: TCP connections that count towards the limits until they are closed
//! - [`store`]: the store trait and its contract, the embedded store, and the Redis store
//! - [`hub`]: local fan-out of a room's events to its subscribers
//! - [`access`]: who may enter a room and act in it: room codes, tokens and lockouts
//! - [`rate_limit`]: how often a client, a user and a room may act
//! - [`chat`]: the service, with every use case once
//! - [`graphql`]: the GraphQL API: schema, execution and transports
//! - [`rest`]: the legacy REST routes
//! - [`web`]: the chat page, GraphiQL and the legacy routes' documentation
//! - [`http`]: the HTTP server, which mounts the APIs and pages with all layers in one list
//! - [`telemetry`]: logs and traces
//! - [`config`]: settings from the environment
//! - [`app`]: composes, starts and stops the server
//! - [`cli`]: the larger subcommands of `livechat` besides `serve`

pub mod access;
pub mod app;
pub mod chat;
pub mod cli;
pub mod client_limit;
pub mod config;
mod counted_connection;
pub mod critical_tasks;
pub mod detached_tasks;
pub mod domain;
pub mod error_code;
pub mod graphql;
mod header_list;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod open_files;
pub mod rate_limit;
pub mod rest;
pub mod store;
pub mod telemetry;
pub mod unsent_bytes;
mod watched_files;
pub mod web;

/// The version of this package, and the commit that it was built from if that is known: `0.2.0 (0123456789ab)`.
pub const VERSION: &str = env!("LIVECHAT_VERSION");
