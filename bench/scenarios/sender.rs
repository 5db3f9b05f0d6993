//! Somebody who sends over a kept connection: to our server as a user with tokens, or to a floor.

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::readers::text;
use crate::support::client::{RoomKey, SEND};

/// One who sends, with a connection of their own.
pub struct Sender {
    connection: Connection,
    voice: Voice,
}

impl Sender {
    pub const fn new(connection: Connection, voice: Voice) -> Self {
        Self { connection, voice }
    }

    /// Goes on in another room.
    pub fn move_to(&mut self, new: &RoomKey) {
        match &mut self.voice {
            Voice::Livechat { room, .. } | Voice::Floor { room, .. } => room.clone_from(new),
        }
    }

    /// Sends the message with this number, which must be accepted.
    pub async fn send(&mut self, number: usize) {
        self.voice.say(&mut self.connection, number).await;
    }
}

/// As whom something is sent, and where to.
pub enum Voice {
    /// A user with the token of the last answer.
    Livechat { room: RoomKey, id: Value, token: Value },
    /// Anybody. Messages are filled up to so many bytes.
    Floor { room: RoomKey, bytes: usize },
}

impl Voice {
    /// Sends the message with this number, which must be accepted.
    pub async fn say(&mut self, connection: &mut Connection, number: usize) {
        let text = text(number);
        match self {
            Self::Livechat { room, id, token } => {
                let input =
                    json!({ "roomId": room.id, "roomCode": room.code, "text": text, "userId": id, "token": token });
                let request = json!({ "query": SEND, "variables": { "input": input } }).to_string();
                let answer: Value = serde_json::from_str(connection.post("/graphql", &request).await).expect("JSON");
                let sent = &answer["data"]["sendMessage"];
                assert!(sent["token"].is_string(), "a send was answered with {answer}");
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

/// Where a room is on a floor.
pub fn floor_path(room: &RoomKey) -> String {
    format!("/rooms/{}", room.id)
}
