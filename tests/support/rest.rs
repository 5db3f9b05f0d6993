//! A user of the legacy REST routes.

use serde_json::{Value, json};

use super::client::{RoomKey, text};
use super::http_client;

/// Sends messages over `/v1/room/message/send`, and keeps the current token.
pub struct RestUser {
    http: reqwest::Client,
    url: String,
    id: String,
    token: Option<String>,
}

impl RestUser {
    /// A user with this id, on the server at this address.
    pub fn of(address: &str, id: String) -> Self {
        let url = format!("http://{address}/v1/room/message/send");
        Self { http: http_client().build().expect("a client"), url, id, token: None }
    }

    /// Sends a message. Returns the `data` of the response, which must be successful.
    pub async fn send(&mut self, room: &RoomKey, message: &str) -> Value {
        let response = self.try_send(room, message).await.expect("a response in JSON");
        assert_eq!(response["status_code"], 200, "a send failed: {response}");
        response["data"].clone()
    }

    /// Sends a message. Returns the response, and keeps the new token if there is one.
    pub async fn try_send(&mut self, room: &RoomKey, message: &str) -> Result<Value, reqwest::Error> {
        let mut body = json!({ "room_id": format!("room:*{}", room.id), "room_code": room.code,
            "user_id": self.id, "message": message });
        if let Some(token) = &self.token {
            body["token"] = json!(token);
        }
        let response: Value = self.http.post(&self.url).json(&body).send().await?.json().await?;
        if response["status_code"] == 200 {
            self.token = Some(text(&response["data"]["token"]));
        }
        Ok(response)
    }
}
