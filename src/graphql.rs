//! The GraphQL API, in three floors: the schema, the execution of requests, and the transports.
//!
//! Each floor knows only those before it. `schema` resolves fields by calling the service and runs on async-graphql alone;
//! `execution` adds limits, the fast path and the rendering of events once; `transport` speaks HTTP, WebSocket, server-sent
//! events and multipart. No rule of the chat is decided here.

pub mod execution;
pub mod schema;
pub mod transport;

pub use crate::graphql::schema::{Schema, SchemaBuilder, builder as schema_builder, sdl};
