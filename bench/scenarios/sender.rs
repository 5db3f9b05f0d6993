//! A user who sends messages over a connection.

use serde_json::Value;

use crate::client::Client;
use crate::protocol::{Author, Protocol};
use crate::readers::text;
use crate::support::client::RoomKey;

/// A user with its own connection.
pub struct Sender {
    client: Client,
    author: Author,
    protocol: &'static dyn Protocol,
}

impl Sender {
    pub const fn new(client: Client, author: Author, protocol: &'static dyn Protocol) -> Self {
        Self { client, author, protocol }
    }

    /// Continues in another room.
    pub fn move_to(&mut self, room: &RoomKey) {
        self.author.room.clone_from(room);
    }

    /// Sends the message with this number. Panics if it is refused.
    pub async fn send(&mut self, number: usize) {
        self.author.send(self.protocol, &mut self.client, number).await;
    }
}

impl Author {
    /// A new user of this room.
    pub fn of(room: &RoomKey) -> Self {
        Self { room: room.clone(), id: Value::Null, token: Value::Null }
    }

    /// Sends the message with this number. Panics if it is refused.
    pub async fn send(&mut self, protocol: &dyn Protocol, client: &mut Client, number: usize) {
        let request = protocol.send_request(self, &text(number));
        let response = client.request(&request).await;
        protocol.on_sent(self, &response);
    }
}
