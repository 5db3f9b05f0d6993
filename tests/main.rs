//! All integration tests, in one binary.

mod architecture;
mod faults;
mod graphql;
mod http;
mod operations;
mod pages;
mod rest;
mod security;
mod store;
mod support;
