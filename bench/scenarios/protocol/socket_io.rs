//! The Socket.IO peer: everything is an event over one socket, whose packets begin with their types in digits.

use serde_json::json;

use super::{Author, PAGE, Protocol, Request, Step, USER};
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;

/// A message that asks for an acknowledgement.
const REQUEST: &str = "421";
/// The acknowledgement.
const RESPONSE: &str = "431";

pub struct SocketIo;

impl Protocol for SocketIo {
    fn socket_path(&self, _: &RoomKey, _: &SubscriptionOptions) -> String {
        "/socket.io/?EIO=4&transport=websocket".to_owned()
    }

    fn greeting(&self, _: &SubscriptionOptions) -> Vec<Step> {
        vec![Step::Expect("\"sid\""), Step::Send("40".to_owned()), Step::Expect("\"sid\"")]
    }

    /// Reads the missed messages after it has joined.
    fn subscription(&self, room: &RoomKey, options: &SubscriptionOptions) -> Vec<Step> {
        let mut steps = vec![Step::Send(format!("{REQUEST}{}", json!(["join", room.id]))), Step::Expect(RESPONSE)];
        if options.missed > 0 {
            steps.push(Step::Send(format!("{REQUEST}{}", json!(["last", room.id, options.missed]))));
        }
        steps
    }

    fn requests_use_sockets(&self) -> bool {
        true
    }

    fn send_request(&self, author: &Author, text: &str) -> Request {
        let (id, name) = USER;
        let user = json!({ "id": id, "displayName": name });
        Request::Frame(format!("{REQUEST}{}", json!(["send", author.room.id, user, text])))
    }

    fn on_sent(&self, _: &mut Author, response: &str) {
        assert!(response.starts_with(RESPONSE), "a send was refused: {response}");
    }

    fn read_request(&self, room: &RoomKey) -> Request {
        Request::Frame(format!("{REQUEST}{}", json!(["last", room.id, PAGE])))
    }
}
