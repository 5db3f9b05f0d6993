//! Tests of the legacy REST routes over HTTP.

pub mod legacy;
mod openapi;
