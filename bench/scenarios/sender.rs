//! A user who sends over a keep-alive connection, to livechat or the floor.

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::readers::text;
use crate::support::client::{RoomKey, SEND};

/// A user with its own connection.
pub struct Sender {
    connection: Connection,
    author: Author,
}

impl Sender {
    pub const fn new(connection: Connection, author: Author) -> Self {
        Self { connection, author }
    }

    /// Continues in another room.
    pub fn move_to(&mut self, new: &RoomKey) {
        match &mut self.author {
            Author::Livechat { room, .. } | Author::Floor { room, .. } => room.clone_from(new),
        }
    }

    /// Sends the message with this number. Panics if it is refused.
    pub async fn send(&mut self, number: usize) {
        self.author.send(&mut self.connection, number).await;
    }
}

/// A user of one room.
pub enum Author {
    /// With the token of the last response.
    Livechat { room: RoomKey, id: Value, token: Value },
    /// The floor has no users. Messages are padded to `bytes`.
    Floor { room: RoomKey, bytes: usize },
}

impl Author {
    /// Sends the message with this number. Panics if it is refused.
    pub async fn send(&mut self, connection: &mut Connection, number: usize) {
        let text = text(number);
        match self {
            Self::Livechat { room, id, token } => {
                let input =
                    json!({ "roomId": room.id, "roomCode": room.code, "text": text, "userId": id, "token": token });
                let request = json!({ "query": SEND, "variables": { "input": input } }).to_string();
                let answer: Value = serde_json::from_str(connection.post("/graphql", &request).await).expect("JSON");
                let sent = &answer["data"]["sendMessage"];
                assert!(sent["token"].is_string(), "a send was refused: {answer}");
                (*id, *token) = (sent["author"]["id"].clone(), sent["token"].clone());
            }
            Self::Floor { room, bytes } => {
                let mut message = json!({ "id": "0123456789abcdef0123456789abcdef", "name": "", "text": text });
                let missing = bytes.saturating_sub(message.to_string().len());
                message["name"] = "x".repeat(missing).into();
                connection.post(&floor_path(room), &message.to_string()).await;
            }
        }
    }
}

/// The path of a room on the floor.
pub fn floor_path(room: &RoomKey) -> String {
    format!("/rooms/{}", room.id)
}
