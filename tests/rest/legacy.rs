//! Tests of the legacy routes: the recorded exchanges, and every rule of the contract that they do not cover.

mod bodies;
pub mod deviations;
mod error_status;
pub mod legacy_room;
mod long_reads;
mod moderation;
mod replay;
mod rooms;
mod routes;
mod tokens;
mod writing;
