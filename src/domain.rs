//! The rules of a chat room, pure: no async, no clock, no storage, no wire format.
//!
//! Everything here is a value or a decision about values. What a value looks like on a wire or in a store is written in
//! `graphql`, `rest` and `store`, not here.

pub mod client_key;
pub mod cursor;
pub mod event;
pub mod limits;
pub mod message;
pub mod page;
pub mod room;
pub mod timestamp;
pub mod user;
pub mod violation;
mod visible;
