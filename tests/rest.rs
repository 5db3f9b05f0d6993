//! The legacy REST routes, through the front door.

pub mod legacy;
mod openapi;
