//! All integration tests, in one binary.

mod architecture;
mod graphql;
mod legacy;
mod redis_store;
mod schema;
mod settings;
mod support;
