//! All integration tests, in one binary.

mod architecture;
mod conformance;
mod disk;
mod graphql;
mod hub;
mod legacy;
mod model;
mod redis_store;
mod schema;
mod settings;
mod support;
