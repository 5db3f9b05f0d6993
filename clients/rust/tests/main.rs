//! All tests with a real server, in one binary.

mod contract;
mod cuts;
mod example;
mod faults;
#[path = "../src/operations.rs"]
mod operations;
mod rooms;
mod scenarios;
mod support;
