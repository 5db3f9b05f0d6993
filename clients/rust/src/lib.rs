#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod client;
mod connection;
mod error;
mod events;
mod messages;
mod model;
mod operations;
mod options;
mod outbox;
mod owner;
mod presence;
mod requests;
mod retry;
mod room;
mod room_task;
mod types;
mod user;

pub use client::LiveChat;
pub use error::{Error, ErrorCode};
pub use events::Events;
pub use options::{BanOptions, Identity, JoinOptions, NewRoom, NewSettings, Options, Storage, Timing, User};
pub use outbox::Sending;
pub use owner::Owner;
pub use room::{Room, States};
pub use types::{
    ActiveRoom, Ban, Change, Chatter, Connection, CreatedRoom, Message, Page, PageInfo, Person, Reaction, Role,
    RoomEvent, RoomSettings, RoomState, Status,
};
