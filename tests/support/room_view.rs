//! A room as a reader sees it: a page of messages updated by events, and a reader that fails over to other servers.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, RoomKey, text};
use super::subscriber::{Received, Subscriber};

/// The newest messages of a room, updated by each event after them.
pub struct RoomView {
    /// The cursor of the last event that was applied.
    pub cursor: String,
    /// The index of the first message in view.
    first: usize,
    texts: Vec<Option<String>>,
    seen: HashSet<String>,
}

impl RoomView {
    /// Reads the newest page of a room.
    pub async fn read(client: &Client, room: &RoomKey) -> Self {
        let state = client.query_room(room, "cursor messages(last: 100) { totalCount nodes { index text } }").await;
        let nodes = state["messages"]["nodes"].as_array().expect("nodes");
        let texts: Vec<_> = nodes.iter().map(|node| node["text"].as_str().map(str::to_owned)).collect();
        let total = state["messages"]["totalCount"].as_u64().expect("a number") as usize;
        Self { cursor: text(&state["cursor"]), first: total - texts.len(), texts, seen: HashSet::new() }
    }

    /// Applies an event. Panics if it came before, or if it sends another message than the next one.
    pub fn apply(&mut self, event: &Value) {
        self.cursor = text(&event["cursor"]);
        assert!(self.seen.insert(self.cursor.clone()), "{event} came twice");
        let index = event["message"]["index"].as_u64().expect("an index") as usize;
        let text = event["message"]["text"].as_str().map(str::to_owned);
        if event["__typename"] == "MessageSent" {
            assert_eq!(index, self.first + self.texts.len(), "{event} is not the next message");
            self.texts.push(text);
        } else if index >= self.first {
            self.texts[index - self.first] = text;
        }
    }

    /// Asserts that the view equals the room.
    pub async fn assert_current(&self, client: &Client, room: &RoomKey) {
        assert_eq!(self.texts, client.texts(room).await[self.first..]);
    }
}

/// Asserts that these are the events of a room without edits and deletions, from message `first` on.
pub fn assert_events_match(events: &[Value], texts: &[Option<String>], first: usize) {
    let received: Vec<_> = events.iter().map(|event| event["message"]["text"].as_str()).collect();
    let expected: Vec<_> = texts[first..].iter().map(Option::as_deref).collect();
    assert_eq!(received, expected);
    for (event, index) in events.iter().zip(first..) {
        assert_eq!((&event["__typename"], &event["message"]["index"]), (&"MessageSent".into(), &index.into()));
    }
}

/// Reads the events after `after`, up to and including the send of `last`, from the first of `addresses`. Whenever the socket is
/// closed, resumes at the next address.
pub async fn read_with_failover(addresses: Vec<String>, room: RoomKey, mut after: String, last: String) -> Vec<Value> {
    let mut events = Vec::new();
    for address in addresses.iter().cycle() {
        let Ok(mut subscriber) = Subscriber::try_open(address, &room, Some(after.clone())).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        loop {
            match subscriber.next().await {
                Received::Event(event) => {
                    let is_last = event["message"]["text"] == last.as_str();
                    after = text(&event["cursor"]);
                    events.push(event);
                    if is_last {
                        return events;
                    }
                }
                Received::Closed(_) => break,
                other => panic!("an event was expected, not {other:?}"),
            }
        }
    }
    events
}
