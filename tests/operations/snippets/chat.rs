//! A program in Rust that chats, as docs/clients.md shows it.

// #region rust chat
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const CREATE: &str = "mutation { createRoom { room { id code } } }";
const ROOM: &str = "query($roomId: ID!, $roomCode: String!) { room(id: $roomId, code: $roomCode) {
    cursor messages(last: 50) { nodes { id text author { displayName } } } } }";
const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor message { id text author { displayName } } } }";
pub const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { token message { id } } }";
pub const EDIT: &str = "mutation($input: EditMessageInput!) { editMessage(input: $input) { token message { id } } }";
pub const DELETE: &str =
    "mutation($input: DeleteMessageInput!) { deleteMessage(input: $input) { token message { id } } }";

/// Why an action failed.
#[derive(Debug)]
pub enum Failure {
    /// The server refused it with this error; see `extensions.code`.
    Refused(Value),
    /// The connection failed.
    Lost(Box<dyn std::error::Error + Send + Sync>),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(lost: E) -> Self {
        Self::Lost(lost.into())
    }
}

impl Failure {
    fn code(&self) -> &str {
        if let Self::Refused(error) = self { error["extensions"]["code"].as_str().unwrap_or_default() } else { "LOST" }
    }

    /// Waits until a retry makes sense, longer each time. Returns a permanent refusal as the error.
    async fn wait_to_retry(self, tries: u32) -> Result<(), Self> {
        if let Self::Lost(reason) = &self {
            eprintln!("retrying: {reason}");
        }
        let mut wait = Duration::from_secs(1 << tries.min(5));
        if !matches!(self.code(), "LOST" | "CURSOR_INVALID" | "UNAVAILABLE" | "TIMEOUT" | "OVERLOADED") {
            let Self::Refused(error) = &self else { return Err(self) };
            wait = Duration::from_millis(error["extensions"]["retryAfterMs"].as_u64().ok_or(self)?);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

pub struct Server {
    pub url: String,
    pub http: reqwest::Client,
}

impl Server {
    /// Executes a query or mutation. Returns its data.
    async fn execute(&self, query: &str, variables: &Value) -> Result<Value, Failure> {
        let request = self.http.post(format!("{}/graphql", self.url)).timeout(Duration::from_secs(20));
        let request = request.json(&json!({ "query": query, "variables": variables }));
        let mut response: Value = request.send().await?.json().await?;
        if response["errors"].is_array() {
            return Err(Failure::Refused(response["errors"][0].take()));
        }
        Ok(response["data"].take())
    }
}

/// Creates a room. Returns its `roomId` and `roomCode`.
pub async fn create_room(server: &Server) -> Result<Value, Failure> {
    let room = &server.execute(CREATE, &json!({})).await?["createRoom"]["room"];
    Ok(json!({ "roomId": room["id"], "roomCode": room["code"] }))
}

/// Acts for a user, one action at a time. At first, choose the user's `{ "userId", "token" }` yourself.
pub async fn act(
    server: &Server,
    user: &mut Value,
    mutation: &str,
    room: &Value,
    arguments: Value,
) -> Result<Value, Failure> {
    for tries in 0.. {
        let input = with(with(room.clone(), user.clone()), arguments.clone());
        match server.execute(mutation, &json!({ "input": input })).await {
            Ok(data) => {
                let mut accepted = data.as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default();
                user["token"] = accepted["token"].take(); // For the next action.
                return Ok(accepted["message"].take());
            }
            Err(failure) => failure.wait_to_retry(tries).await?, // Repeating an action whose response was lost is safe.
        }
    }
    unreachable!("the loop ends only with a result")
}

/// Follows a room until it ends. Calls `show` with all messages whenever one has changed.
pub async fn follow(server: &Server, room: &Value, mut show: impl FnMut(&[Value])) -> Result<(), Failure> {
    let (mut messages, mut after, mut tries) = (Vec::new(), Value::Null, 0);
    loop {
        let listened = async {
            if after.is_null() {
                let mut state = server.execute(ROOM, room).await?["room"].take();
                messages = serde_json::from_value(state["messages"]["nodes"].take())?;
                after = state["cursor"].take();
                show(&messages);
            }
            listen(server, with(room.clone(), json!({ "after": after })), |mut event| {
                let message = event["message"].take();
                match messages.iter_mut().find(|known| known["id"] == message["id"]) {
                    Some(known) => *known = message,
                    None => messages.push(message),
                }
                show(&messages);
                (after, tries) = (event["cursor"].take(), 0);
            })
            .await
        };
        let Err(failure) = listened.await else { return Ok(()) };
        if failure.code() == "CURSOR_INVALID" {
            after = Value::Null; // The server has lost the entry of this cursor: read the room again.
        }
        failure.wait_to_retry(tries).await?;
        tries += 1;
    }
}

async fn listen(server: &Server, variables: Value, mut take: impl FnMut(Value)) -> Result<(), Failure> {
    let mut request = format!("{}/graphql", server.url.replacen("http", "ws", 1)).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let (mut socket, _) = connect_async(request).await?;
    socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await?;
    let payload = json!({ "query": EVENTS, "variables": variables });
    socket.send(Message::text(json!({ "type": "subscribe", "id": "1", "payload": payload }).to_string())).await?;
    // The server sends something at least every 25 seconds.
    while let Some(message) = tokio::time::timeout(Duration::from_secs(60), socket.next()).await? {
        let Message::Text(text) = message? else { continue };
        let mut message: Value = serde_json::from_str(&text)?;
        match message["type"].as_str() {
            Some("next") if message["payload"]["data"].is_object() => {
                take(message["payload"]["data"]["messageEvents"].take())
            }
            Some("error") => return Err(Failure::Refused(message["payload"][0].take())),
            Some("complete") => return Ok(()),
            Some("ping") => socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?,
            _ => {}
        }
    }
    Err(Failure::Lost("the server has closed the socket".into()))
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
// #endregion
