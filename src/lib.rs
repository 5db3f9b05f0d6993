//! LiveChat: chat rooms that live 24 hours, over GraphQL with subscriptions and over the legacy REST routes.
//!
//! The map of the house, in the order of its imports:
//!
//! - [`domain`], the rules of rooms, messages, users and events, pure
//! - [`error_code`], the error codes of both APIs
//! - [`client_limit`], how much each client and all of them together may hold at once
//! - [`open_files`], the limit of open files, and how many connections fit within it
//! - [`unsent_bytes`], the bytes of responses that wait to be sent
//! - [`critical_tasks`], tasks that must not end
//! - [`detached_tasks`], work that must not stop half-way when its caller goes away
//! - [`metrics`], numbers for Prometheus: how they are registered and written
//! - [`store`], the port to what keeps them, its contract, and the two stores
//! - [`hub`], local fan-out, and following a room
//! - [`access`], who may enter a room and act in it: room codes, tokens, lockouts
//! - [`rate_limit`], how often a client, a user and a room may act
//! - [`chat`], the service, every use case once
//! - [`graphql`], the GraphQL wire
//! - [`rest`], the legacy REST routes
//! - [`web`], pages for people
//! - [`http`], mounts the wires, with every layer in one list
//! - [`telemetry`], logs
//! - [`app`], starts and stops everything
//! - [`config`], what it is started with
//! - [`commands`], what `livechat` does besides serving

pub mod access;
pub mod app;
pub mod chat;
pub mod cli;
pub mod client_limit;
pub mod config;
pub mod critical_tasks;
pub mod detached_tasks;
pub mod domain;
pub mod error_code;
pub mod graphql;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod open_files;
pub mod rate_limit;
pub mod rest;
pub mod store;
pub mod telemetry;
pub mod unsent_bytes;
pub mod web;
