//! The legacy routes, from outside: the recorded exchanges, and every line of the contract they do not cover.

mod bodies;
pub mod caller;
pub mod deviations;
mod long_reads;
mod refusals;
mod replay;
mod rooms;
mod routes;
mod tokens;
mod writing;
