//! The rules of a chat room as pure values and functions: no async, no clock, no storage, no wire format.
//!
//! The text forms of cursors and legacy ids are in `chat`, the names of fields in `graphql` and `rest`, and stored forms
//! in `store`.

pub mod ban;
pub mod client_key;
pub mod event;
pub mod limits;
pub mod message;
pub mod page;
pub mod position;
pub mod presence;
pub mod reaction;
pub mod room;
pub mod timestamp;
pub mod token;
pub mod user;
pub mod violation;
mod visible;
