//! LiveChat: chat rooms that live 24 hours, over GraphQL with subscriptions and over the legacy REST routes.
//!
//! The map of the house, in the order of its imports:
//!
//! - [`domain`]: the rules of rooms, messages, users and events, pure
//! - [`store`]: the port to what keeps them, its contract, and the two stores
pub mod domain;
pub mod store;
