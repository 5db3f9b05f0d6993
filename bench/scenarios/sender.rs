//! Somebody who sends, over a kept connection of their own: to our server, to a floor that keeps messages, or frames to one
//! that delivers them.

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::floor::Floor;
use crate::readers::text;
use crate::support::client::{RoomKey, SEND};
use crate::support::server::Server;

/// One who sends.
pub struct Sender {
    connection: Connection,
    to: To,
}

enum To {
    /// Messages, as a user with the token of the last answer.
    Livechat { room: RoomKey, id: Value, token: Value },
    /// Messages, as it asks no questions.
    Store { path: String },
    /// This frame, with another text each time.
    Frames { frame: String },
}

impl Sender {
    pub async fn to_room(server: &Server, room: &RoomKey) -> Self {
        let to = To::Livechat { room: room.clone(), id: Value::Null, token: Value::Null };
        Self { connection: Connection::open(server.address()).await, to }
    }

    pub async fn to_floor(floor: &Floor, room: &RoomKey) -> Self {
        Self { connection: Connection::open(floor.address()).await, to: To::Store { path: floor_path(room) } }
    }

    pub async fn of_frames(floor: &Floor, frame: &str) -> Self {
        Self { connection: Connection::open(floor.address()).await, to: To::Frames { frame: frame.to_owned() } }
    }

    /// Goes on in another room.
    pub fn move_to(&mut self, new: &RoomKey) {
        match &mut self.to {
            To::Livechat { room, .. } => *room = new.clone(),
            To::Store { path } => *path = floor_path(new),
            To::Frames { .. } => {}
        }
    }

    /// Sends the message with this number, which must be accepted.
    pub async fn send(&mut self, number: usize) {
        let text = text(number);
        match &mut self.to {
            To::Livechat { room, id, token } => {
                let input =
                    json!({ "roomId": room.id, "roomCode": room.code, "text": text, "userId": id, "token": token });
                let request = json!({ "query": SEND, "variables": { "input": input } }).to_string();
                let answer: Value =
                    serde_json::from_str(self.connection.post("/graphql", &request).await).expect("JSON");
                let sent = &answer["data"]["sendMessage"];
                assert!(sent["token"].is_string(), "a send was answered with {answer}");
                (*id, *token) = (sent["author"]["id"].clone(), sent["token"].clone());
            }
            To::Store { path } => {
                let message = json!({ "id": "0123456789abcdef0123456789abcdef", "name": "somebody", "text": text });
                self.connection.post(path, &message.to_string()).await;
            }
            To::Frames { frame } => {
                let frame = frame.replace(&self::text(0), &text);
                self.connection.post("/", &frame).await;
            }
        }
    }
}

/// Where a room is on a floor.
pub fn floor_path(room: &RoomKey) -> String {
    format!("/rooms/{}", room.id)
}
