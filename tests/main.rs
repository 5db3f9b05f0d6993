//! All integration tests, in one binary.

mod redis_store;
mod support;
