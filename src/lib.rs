//! LiveChat: chat rooms that live 24 hours, over GraphQL with subscriptions and over the legacy REST routes.
//!
//! The map of the house, in the order of its imports:
//!
//! - [`domain`]: the rules of rooms, messages, users and events, pure
//! - [`store`]: the port to what keeps them, its contract, and the two stores
//! - [`hub`]: local fan-out, and following a room
//! - [`chat`]: the service, every use case once
//! - [`rest`]: the legacy REST routes
pub mod chat;
pub mod domain;
pub mod hub;
pub mod rest;
pub mod store;
