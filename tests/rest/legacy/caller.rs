//! A legacy caller in a room of its own.

use serde_json::{Value, json};

use crate::support::http::{Answer, Client};
use crate::support::server::Server;

/// A room, and the way to the server that has it.
pub struct Caller {
    _server: Server,
    pub client: Client,
    pub room: String,
    pub code: String,
}

pub const ALICE: &str = "alice-0123456";
pub const BOB: &str = "bob-012345678";

impl Caller {
    pub async fn new() -> Self {
        Self::at(Server::embedded()).await
    }

    /// Makes a room at `server`.
    pub async fn at(server: Server) -> Self {
        let client = Client::of(&server.url(""));
        let (room, code) = create(&client).await;
        Self { _server: server, client, room, code }
    }

    /// The body that says something as `user`; an empty token is left out.
    pub fn saying(&self, user: &str, token: &str, message: &str) -> Value {
        let mut body = self.body(&[("user_id", user.into()), ("message", message.into())]);
        if !token.is_empty() {
            body["token"] = token.into();
        }
        body
    }

    /// The body that wants to change the message `message_id`.
    pub fn changing(&self, user: &str, token: &str, message_id: Value) -> Value {
        self.body(&[("user_id", user.into()), ("token", token.into()), ("message_id", message_id)])
    }

    /// A body with the room's id and code and `more`.
    pub fn body(&self, more: &[(&str, Value)]) -> Value {
        let mut body = json!({ "room_id": self.room, "room_code": self.code });
        for (name, value) in more {
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

    /// Says something and returns the next token.
    pub async fn say(&self, user: &str, token: &str, message: &str) -> String {
        token_of(&self.send(&self.saying(user, token, message)).await)
    }

    /// The room's record.
    pub async fn record(&self) -> Value {
        let answer = self.client.post("/v1/room/", &self.body(&[])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["data"].clone()
    }
}

/// Makes a room: its id and its code.
pub async fn create(client: &Client) -> (String, String) {
    let room = client.get("/room/create").await.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&room["room"]), text(&room["data"]["room_code"]))
}

/// The next token, from an answer that must have been a success.
pub fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["token"].as_str().expect("a token").to_owned()
}

/// Checks that an answer is a refusal with exactly these values.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, status_code: u16, message: &str) {
    let body = json!({ "status_code": status_code, "message": message, "data": null });
    assert_eq!((answer.status, answer.json()), (status, body));
}

pub const SHORT_USER_ID: &str = "user_id length should be longer then 10";
pub const BAD_TOKEN: &str = "bad token";
pub const FORBIDDEN: &str = "request forbidden";
pub const NO_SUCH_MESSAGE: &str = "no such message";
pub const WRONG_CODE: &str = "the room code is invaild";
pub const NO_SUCH_ROOM: &str = "this room does not exist";
