//! All integration tests, in one binary.

mod graphql;
mod redis_store;
mod schema;
mod support;
