//! A GraphQL client over HTTP, and a user of it who remembers the token.

use std::net::IpAddr;

use reqwest::header::HeaderName;
use serde_json::{Value, json};

use super::{eventually, http_client};

/// Talks to one server's `/graphql`.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// A room as its creator knows it.
#[derive(Clone, Debug)]
pub struct RoomKey {
    pub id: String,
    pub code: String,
}

impl Client {
    pub fn of(url: String) -> Self {
        Self { http: http_client().build().expect("a client"), url }
    }

    /// One whose requests come from this address of the machine; all of 127.0.0.0/8 are.
    pub fn from_address(url: String, address: IpAddr) -> Self {
        let http = http_client().local_address(address).build().expect("a client");
        Self { http, url }
    }

    /// One behind a proxy of this machine that says where its client is. The server has to trust the proxy.
    pub fn behind_proxy(url: String, client: &str) -> Self {
        let headers = std::iter::once(("x-forwarded-for", client));
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        let http = http_client().default_headers(headers.collect()).build().expect("a client");
        Self { http, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The whole answer to a request, or why there is none.
    pub async fn try_request(&self, query: &str, variables: Value) -> Result<Value, reqwest::Error> {
        let request = self.http.post(&self.url).json(&json!({ "query": query, "variables": variables }));
        request.send().await?.json().await
    }

    /// The answer to a request that accepts this, as it comes.
    pub async fn post_accepting(&self, accept: &str, query: &str, variables: &Value) -> reqwest::Response {
        let request = self.http.post(&self.url).json(&json!({ "query": query, "variables": variables }));
        request.header("accept", accept).send().await.expect("an answer")
    }

    /// The whole answer to a request.
    pub async fn request(&self, query: &str, variables: Value) -> Value {
        self.try_request(query, variables).await.expect("an answer in JSON")
    }

    /// The data of a request that must succeed.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.request(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query} was answered with {answer}");
        answer["data"].clone()
    }

    /// The code of the first error of a request that must fail.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        error_code(&self.request(query, variables).await)
    }

    pub async fn create_room(&self) -> RoomKey {
        let data = self.data("mutation { createRoom { room { id code } } }", json!({})).await;
        let room = &data["createRoom"]["room"];
        RoomKey { id: text(&room["id"]), code: text(&room["code"]) }
    }

    /// One field of a room.
    pub async fn of_room(&self, room: &RoomKey, field: &str) -> Value {
        let query = format!("query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ {field} }} }}");
        self.data(&query, json!({ "id": room.id, "code": room.code })).await["room"].clone()
    }

    /// Where the events of a room stand now.
    pub async fn cursor(&self, room: &RoomKey) -> String {
        text(&self.of_room(room, "cursor").await["cursor"])
    }

    /// Waits until a room has so many viewers. From then on, none of them misses what is sent.
    pub async fn viewers_become(&self, room: &RoomKey, count: usize) {
        eventually(&format!("{count} viewers"), async || {
            self.of_room(room, "viewerCount").await["viewerCount"] == count
        })
        .await;
    }

    /// The texts of all messages of a room, in order, through pages of 100; `None` for a deleted one.
    pub async fn texts(&self, room: &RoomKey) -> Vec<Option<String>> {
        const PAGE: &str = "query($id: ID!, $code: String!, $after: String) { room(id: $id, code: $code) {
            messages(first: 100, after: $after) { nodes { text index } pageInfo { hasNextPage endCursor } } } }";
        let (mut texts, mut after) = (Vec::new(), Value::Null);
        loop {
            let data = self.data(PAGE, json!({ "id": room.id, "code": room.code, "after": after })).await;
            let page = &data["room"]["messages"];
            for node in page["nodes"].as_array().expect("nodes") {
                assert_eq!(node["index"], texts.len(), "indexes count from 0 without a gap");
                texts.push(node["text"].as_str().map(str::to_owned));
            }
            if page["pageInfo"]["hasNextPage"] != true {
                return texts;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
}

/// Somebody who sends, edits and deletes, with the token of the last answer.
pub struct User {
    pub client: Client,
    pub id: Option<String>,
    pub token: Option<String>,
    /// Where the last accepted action stands in the room's events.
    pub cursor: Option<String>,
}

pub const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id index text clientMessageId } author { id displayName } token cursor } }";
pub const EDIT: &str = "mutation($input: EditMessageInput!) { editMessage(input: $input) {
    message { id text editedAt } token cursor } }";
pub const DELETE: &str = "mutation($input: DeleteMessageInput!) { deleteMessage(input: $input) {
    message { id text deletedAt } token cursor } }";

impl User {
    pub fn of(client: Client) -> Self {
        Self { client, id: None, token: None, cursor: None }
    }

    /// One with an id and a first token of its own, so that even its first send can be repeated.
    pub fn with_own_token(client: Client) -> Self {
        let random = || Some(format!("{:032x}", rand::random::<u128>()));
        Self { client, id: random(), token: random(), cursor: None }
    }

    /// What the server says to a send, token and user remembered if it was accepted.
    pub async fn try_send(&mut self, room: &RoomKey, message: &str) -> Result<Value, reqwest::Error> {
        self.try_send_once(room, message, None).await
    }

    /// As [`try_send`](Self::try_send), with a `clientMessageId` that makes a repeat safe.
    pub async fn try_send_once(
        &mut self,
        room: &RoomKey,
        message: &str,
        client_message_id: Option<&str>,
    ) -> Result<Value, reqwest::Error> {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": message,
            "userId": self.id, "token": self.token, "clientMessageId": client_message_id });
        let answer = self.client.try_request(SEND, json!({ "input": input })).await?;
        let sent = &answer["data"]["sendMessage"];
        if let Some(token) = sent["token"].as_str() {
            self.token = Some(token.to_owned());
            self.id = Some(text(&sent["author"]["id"]));
            self.cursor = Some(text(&sent["cursor"]));
        }
        Ok(answer)
    }

    /// Sends; the message as the server tells it.
    pub async fn send(&mut self, room: &RoomKey, text: &str) -> Value {
        let answer = self.try_send(room, text).await.expect("an answer");
        assert!(answer.get("errors").is_none(), "a send was answered with {answer}");
        answer["data"]["sendMessage"]["message"].clone()
    }

    /// Edits; the message as the server tells it.
    pub async fn edit(&mut self, room: &RoomKey, message_id: &str, new_text: &str) -> Value {
        let answer = self.try_change(room, message_id, Some(new_text)).await.expect("an answer");
        assert!(answer.get("errors").is_none(), "an edit was answered with {answer}");
        answer["data"]["editMessage"]["message"].clone()
    }

    /// Deletes; the message as the server tells it.
    pub async fn delete(&mut self, room: &RoomKey, message_id: &str) -> Value {
        let answer = self.try_change(room, message_id, None).await.expect("an answer");
        assert!(answer.get("errors").is_none(), "a deletion was answered with {answer}");
        answer["data"]["deleteMessage"]["message"].clone()
    }

    /// What the server says to an edit, or without a new text to a deletion; the token remembered if it was accepted.
    pub async fn try_change(
        &mut self,
        room: &RoomKey,
        message_id: &str,
        new_text: Option<&str>,
    ) -> Result<Value, reqwest::Error> {
        let mut input = json!({ "roomId": room.id, "roomCode": room.code, "userId": self.id, "token": self.token,
            "messageId": message_id });
        let (query, name) = if new_text.is_some() { (EDIT, "editMessage") } else { (DELETE, "deleteMessage") };
        if let Some(text) = new_text {
            input["text"] = text.into();
        }
        let answer = self.client.try_request(query, json!({ "input": input })).await?;
        let changed = &answer["data"][name];
        if let Some(token) = changed["token"].as_str() {
            self.token = Some(token.to_owned());
            self.cursor = Some(text(&changed["cursor"]));
        }
        Ok(answer)
    }
}

/// The code of the first error of an answer.
pub fn error_code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code in {answer}")).to_owned()
}

/// A string that must be there.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
