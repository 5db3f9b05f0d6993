//! All integration tests, in one binary.

mod architecture;
mod both_wires;
mod conformance;
mod crash;
mod cuts;
mod disk;
mod events;
mod graphql;
mod hub;
mod legacy;
mod load;
mod log;
mod model;
mod outage;
mod readme;
mod redis_store;
mod restart;
mod schema;
mod set_back;
mod settings;
mod slow_readers;
mod support;
mod two_servers;
