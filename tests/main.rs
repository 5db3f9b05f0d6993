//! All integration tests, in one binary.

mod both_wires;
mod crash;
mod events;
mod graphql;
mod load;
mod log;
mod outage;
mod redis_store;
mod restart;
mod schema;
mod set_back;
mod slow_readers;
mod support;
mod two_servers;
