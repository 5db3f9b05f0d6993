//! A room with a client that uses the legacy routes.

use serde_json::{Value, json};

use crate::support::client::RoomKey;
use crate::support::http::{Answer, Client};
use crate::support::server::Server;

/// A room, and a client of the server that it is on.
pub struct LegacyRoom {
    _server: Server,
    pub client: Client,
    pub id: String,
    pub code: String,
}

pub const ALICE: &str = "alice-0123456";
pub const BOB: &str = "bob-012345678";

impl LegacyRoom {
    /// Creates a room on a server of its own.
    pub async fn new() -> Self {
        Self::on(Server::embedded()).await
    }

    /// Creates a room on `server`.
    pub async fn on(server: Server) -> Self {
        let client = Client::of(&server.url(""));
        let (id, code) = create_room(&client).await;
        Self { _server: server, client, id, code }
    }

    /// A room on `server` that was created over GraphQL.
    pub fn of(server: Server, room: &RoomKey) -> Self {
        let client = Client::of(&server.url(""));
        Self { _server: server, client, id: format!("room:*{}", room.id), code: room.code.clone() }
    }

    /// A request body that sends a message as `user`. An empty token is left out.
    pub fn send_body(&self, user: &str, token: &str, message: &str) -> Value {
        let mut body = self.body(&[("user_id", user.into()), ("message", message.into())]);
        if !token.is_empty() {
            body["token"] = token.into();
        }
        body
    }

    /// A request body that changes the message `message_id`.
    pub fn change_body(&self, user: &str, token: &str, message_id: Value) -> Value {
        self.body(&[("user_id", user.into()), ("token", token.into()), ("message_id", message_id)])
    }

    /// A request body with the id and code of the room, and these fields.
    pub fn body(&self, fields: &[(&str, Value)]) -> Value {
        let mut body = json!({ "room_id": self.id, "room_code": self.code });
        for (name, value) in fields {
            body[*name] = value.clone();
        }
        body
    }

    pub async fn send(&self, body: &Value) -> Answer {
        self.client.post("/v1/room/message/send", body).await
    }

    pub async fn edit(&self, mut body: Value, message: &str) -> Answer {
        body["message"] = message.into();
        self.client.post("/v1/room/message/edit/", &body).await
    }

    pub async fn delete(&self, body: &Value) -> Answer {
        self.client.post("/v1/room/message/delete/", body).await
    }

    /// Sends a message and returns the next token.
    pub async fn send_as(&self, user: &str, token: &str, message: &str) -> String {
        expect_token(&self.send(&self.send_body(user, token, message)).await)
    }

    /// The room with all chatters and messages.
    pub async fn record(&self) -> Value {
        let answer = self.client.post("/v1/room/", &self.body(&[])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["data"].clone()
    }
}

/// Creates a room. Returns its id and code.
pub async fn create_room(client: &Client) -> (String, String) {
    let room = client.get("/room/create").await.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&room["room"]), text(&room["data"]["room_code"]))
}

/// The next token, from a response that must be successful.
pub fn expect_token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["token"].as_str().expect("a token").to_owned()
}

/// Asserts that a response is an error with exactly these values.
#[track_caller]
pub fn assert_error(answer: &Answer, status: u16, status_code: u16, message: &str) {
    let body = json!({ "status_code": status_code, "message": message, "data": null });
    assert_eq!((answer.status, answer.json()), (status, body));
}

pub const SHORT_USER_ID: &str = "user_id length should be longer then 10";
pub const BAD_TOKEN: &str = "bad token";
pub const FORBIDDEN: &str = "request forbidden";
pub const NO_SUCH_MESSAGE: &str = "no such message";
pub const WRONG_CODE: &str = "the room code is invaild";
pub const NO_SUCH_ROOM: &str = "this room does not exist";
