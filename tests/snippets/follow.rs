//! A program in Rust that follows a room, as docs/clients.md shows it.

// #region rust follow
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
        __typename cursor message { id text author { displayName } } } }";

enum Stopped {
    /// The room has ended.
    Completed,
    /// By the server, with these errors: look at `extensions.code`.
    Refused(Value),
}

/// Shows every event of a room behind `after`, each once, in order, until the room ends or the server refuses.
pub async fn follow(url: &str, mut variables: Value, mut show: impl FnMut(&Value)) -> Result<(), Value> {
    loop {
        match listen(url, &mut variables, &mut show).await {
            Ok(Stopped::Completed) => return Ok(()),
            Ok(Stopped::Refused(errors)) => return Err(errors),
            Err(lost) => eprintln!("coming back: {lost}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn listen(
    url: &str,
    variables: &mut Value,
    show: &mut impl FnMut(&Value),
) -> Result<Stopped, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let (mut socket, _) = connect_async(request).await?;
    socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await?;
    let payload = json!({ "query": EVENTS, "variables": variables });
    socket.send(Message::text(json!({ "type": "subscribe", "id": "1", "payload": payload }).to_string())).await?;
    // The server says something at least every 25 seconds.
    while let Some(message) = tokio::time::timeout(Duration::from_secs(60), socket.next()).await? {
        let Message::Text(text) = message? else { continue };
        let said: Value = serde_json::from_str(&text)?;
        match said["type"].as_str() {
            Some("next") => {
                let event = &said["payload"]["data"]["messageEvents"];
                variables["after"] = event["cursor"].clone();
                show(event);
            }
            Some("error") => return Ok(Stopped::Refused(said["payload"].clone())),
            Some("complete") => return Ok(Stopped::Completed),
            Some("ping") => socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?,
            _ => {}
        }
    }
    Err("the server has closed the socket".into())
}
// #endregion
