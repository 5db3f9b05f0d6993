//! The messages that clients send to each kind of server. Nothing here does I/O; `client` and `target` do.

mod floor;
mod graphql;
mod livechat;
mod socket_io;

pub use floor::Floor;
pub use graphql::Graphql;
pub use livechat::Livechat;
use serde_json::Value;
pub use socket_io::SocketIo;

use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;

/// The id and name of a user where the server has no users of its own.
const USER: (&str, &str) = ("0123456789abcdef0123456789abcdef", "Ada");

/// Messages per read.
pub const PAGE: usize = 50;

/// A request for one response.
pub enum Request {
    Get(String),
    /// A path and JSON.
    Post(String, String),
    /// A text frame on a socket.
    Frame(String),
}

/// A step of opening a socket or a subscription.
pub enum Step {
    Send(String),
    /// Waits for a text that contains this.
    Expect(&'static str),
}

/// A user of a room, with the id and token of the last response.
#[derive(Clone)]
pub struct Author {
    pub room: RoomKey,
    pub id: Value,
    pub token: Value,
}

/// How clients talk to a kind of server.
pub trait Protocol: Sync {
    /// The path of a socket that follows a room.
    fn socket_path(&self, room: &RoomKey, options: &SubscriptionOptions) -> String;

    /// The steps that precede everything else on a socket.
    fn greeting(&self, _options: &SubscriptionOptions) -> Vec<Step> {
        Vec::new()
    }

    /// The steps by which a socket subscribes to a room and fetches the missed messages.
    fn subscription(&self, room: &RoomKey, options: &SubscriptionOptions) -> Vec<Step>;

    /// Whether requests are frames on a socket.
    fn requests_use_sockets(&self) -> bool {
        false
    }

    fn send_request(&self, author: &Author, text: &str) -> Request;

    /// Updates the author from the response to a send. Panics if the message was refused.
    fn on_sent(&self, author: &mut Author, response: &str);

    /// A request for the last [`PAGE`] messages of a room.
    fn read_request(&self, room: &RoomKey) -> Request;
}
