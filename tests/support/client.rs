//! A GraphQL client over HTTP, and a user who keeps the current token.

use std::net::IpAddr;
use std::time::Instant;

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::{TIMEOUT, eventually, http_client};

/// A client of the GraphQL endpoint of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// The id and the code of a room.
#[derive(Clone, Debug)]
pub struct RoomKey {
    pub id: String,
    pub code: String,
}

impl Client {
    pub fn of(url: String) -> Self {
        Self { http: http_client().build().expect("a client"), url }
    }

    /// A client of the server at this host and port.
    pub fn at(address: &str) -> Self {
        Self::of(format!("http://{address}/graphql"))
    }

    /// A client with this local address. Every address in 127.0.0.0/8 works.
    pub fn from_address(url: String, address: IpAddr) -> Self {
        let http = http_client().local_address(address).build().expect("a client");
        Self { http, url }
    }

    /// A client behind a proxy that reports `client` as its address. The server must trust 127.0.0.1 as a proxy.
    pub fn behind_proxy(url: String, client: &str) -> Self {
        let name = HeaderName::from_static("x-forwarded-for");
        let headers = HeaderMap::from_iter([(name, client.parse().expect("a value"))]);
        let http = http_client().default_headers(headers).build().expect("a client");
        Self { http, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request. Returns the whole response.
    pub async fn try_request(&self, query: &str, variables: Value) -> Result<Value, reqwest::Error> {
        let request = self.http.post(&self.url).json(&json!({ "query": query, "variables": variables }));
        request.send().await?.json().await
    }

    /// Sends a request with this `Accept` header. Returns the response without reading its body.
    pub async fn post_accepting(&self, accept: &str, query: &str, variables: &Value) -> reqwest::Response {
        let request = self.http.post(&self.url).json(&json!({ "query": query, "variables": variables }));
        request.header("accept", accept).send().await.expect("a response")
    }

    /// Sends a request. Returns the whole response; panics if there is none.
    pub async fn request(&self, query: &str, variables: Value) -> Value {
        self.try_request(query, variables).await.expect("a response in JSON")
    }

    /// Sends a request that must succeed. Returns its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let response = self.request(query, variables).await;
        assert!(response.get("errors").is_none(), "{query} failed: {response}");
        response["data"].clone()
    }

    /// Sends a request that must fail. Returns the code of its first error.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        error_code(&self.request(query, variables).await)
    }

    /// Runs the mutation of this name, whose input type is named after it. Returns the whole response.
    pub async fn mutate(&self, name: &str, input: Value, fields: &str) -> Value {
        let of = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query = format!("mutation($input: {of}!) {{ {name}(input: $input) {{ {fields} }} }}");
        self.request(&query, json!({ "input": input })).await
    }

    pub async fn create_room(&self) -> RoomKey {
        let data = self.data("mutation { createRoom { room { id code } } }", json!({})).await;
        let room = &data["createRoom"]["room"];
        RoomKey { id: text(&room["id"]), code: text(&room["code"]) }
    }

    /// Reads these fields of a room.
    pub async fn query_room(&self, room: &RoomKey, fields: &str) -> Value {
        let query = format!("query($id: ID!, $code: String!) {{ room(id: $id, code: $code) {{ {fields} }} }}");
        self.data(&query, json!({ "id": room.id, "code": room.code })).await["room"].clone()
    }

    /// The cursor of the last event of a room.
    pub async fn cursor(&self, room: &RoomKey) -> String {
        text(&self.query_room(room, "cursor").await["cursor"])
    }

    /// Waits until a room has this many viewers. From then on, each of them receives every event.
    pub async fn wait_for_viewers(&self, room: &RoomKey, count: usize) {
        eventually(&format!("{count} viewers"), async || {
            self.query_room(room, "viewerCount").await["viewerCount"] == count
        })
        .await;
    }

    /// The texts of all messages of a room, in order, read in pages of 100; `None` for a deleted message.
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

/// A user who sends, edits and deletes, and keeps the token of the last response.
pub struct User {
    pub client: Client,
    pub id: Option<String>,
    pub token: Option<String>,
    /// The cursor of the event of the last accepted action.
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

    /// A user with an id and a first token of its own, so that even its first send can be repeated.
    pub fn with_own_token(client: Client) -> Self {
        let random = || Some(format!("{:032x}", rand::random::<u128>()));
        Self { client, id: random(), token: random(), cursor: None }
    }

    /// Sends a message. Returns the response, and keeps the token and the id if the message was accepted.
    pub async fn try_send(&mut self, room: &RoomKey, message: &str) -> Result<Value, reqwest::Error> {
        self.try_send_once(room, message, None).await
    }

    /// Like [`try_send`](Self::try_send), with a `clientMessageId` that makes a repeat safe.
    pub async fn try_send_once(
        &mut self,
        room: &RoomKey,
        message: &str,
        client_message_id: Option<&str>,
    ) -> Result<Value, reqwest::Error> {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": message,
            "userId": self.id, "token": self.token, "clientMessageId": client_message_id });
        let response = self.client.try_request(SEND, json!({ "input": input })).await?;
        let sent = &response["data"]["sendMessage"];
        if let Some(token) = sent["token"].as_str() {
            self.token = Some(token.to_owned());
            self.id = Some(text(&sent["author"]["id"]));
            self.cursor = Some(text(&sent["cursor"]));
        }
        Ok(response)
    }

    /// Sends a message. Returns the message of the response, which must be successful.
    pub async fn send(&mut self, room: &RoomKey, text: &str) -> Value {
        let response = self.try_send(room, text).await.expect("a response");
        assert!(response.get("errors").is_none(), "a send failed: {response}");
        response["data"]["sendMessage"]["message"].clone()
    }

    /// Sends a message, and repeats it while the store does not answer in time, as on a busy machine. A new user gets an id and a
    /// token of its own, so that a repeat is stored once.
    pub async fn send_patiently(&mut self, room: &RoomKey, message: &str) {
        if self.id.is_none() {
            *self = Self::with_own_token(self.client.clone());
        }
        let (name, start) = (format!("{:016x}", rand::random::<u64>()), Instant::now());
        loop {
            let response = self.try_send_once(room, message, Some(&name)).await.expect("a response");
            if response.get("errors").is_none() {
                return;
            }
            let may_repeat = error_code(&response) == "UNAVAILABLE" && start.elapsed() < TIMEOUT;
            assert!(may_repeat, "a send failed: {response}");
        }
    }

    /// Edits a message. Returns the message of the response, which must be successful.
    pub async fn edit(&mut self, room: &RoomKey, message_id: &str, new_text: &str) -> Value {
        let response = self.try_change(room, message_id, Some(new_text)).await.expect("a response");
        assert!(response.get("errors").is_none(), "an edit failed: {response}");
        response["data"]["editMessage"]["message"].clone()
    }

    /// Deletes a message. Returns the message of the response, which must be successful.
    pub async fn delete(&mut self, room: &RoomKey, message_id: &str) -> Value {
        let response = self.try_change(room, message_id, None).await.expect("a response");
        assert!(response.get("errors").is_none(), "a deletion failed: {response}");
        response["data"]["deleteMessage"]["message"].clone()
    }

    /// Edits a message, or deletes it if there is no new text. Returns the response, and keeps the token if it was accepted.
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
        let response = self.client.try_request(query, json!({ "input": input })).await?;
        let changed = &response["data"][name];
        if let Some(token) = changed["token"].as_str() {
            self.token = Some(token.to_owned());
            self.cursor = Some(text(&changed["cursor"]));
        }
        Ok(response)
    }
}

/// The code of the first error of a response.
pub fn error_code(response: &Value) -> String {
    response["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code in {response}")).to_owned()
}

/// The value as a string, which it must be.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
