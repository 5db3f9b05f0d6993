//! The floor: JSON over HTTP, and sockets that follow a room from the start.

use serde_json::json;

use super::{Author, Protocol, Request, Step, USER};
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;

pub struct Floor;

impl Protocol for Floor {
    fn socket_path(&self, room: &RoomKey, options: &SubscriptionOptions) -> String {
        format!("/rooms/{}/live?last={}", room.id, options.missed)
    }

    fn subscription(&self, _: &RoomKey, _: &SubscriptionOptions) -> Vec<Step> {
        Vec::new()
    }

    fn send_request(&self, author: &Author, text: &str) -> Request {
        let message = json!({ "id": USER.0, "name": USER.1, "text": text });
        Request::Post(format!("/rooms/{}", author.room.id), message.to_string())
    }

    fn on_sent(&self, _: &mut Author, response: &str) {
        assert!(response.contains("index"), "a send was refused: {response}");
    }

    fn read_request(&self, room: &RoomKey) -> Request {
        Request::Get(format!("/rooms/{}", room.id))
    }
}
