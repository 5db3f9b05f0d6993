//! What readers make of events: a view of the room that must turn out to be the room, and a reader who changes servers.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, RoomKey, text};
use super::subscriber::{Said, Subscriber};

/// A room as a reader knows it: one page of its newest messages, then event after event.
pub struct View {
    /// Where events go on from.
    pub cursor: String,
    /// The index of the first message in view.
    first: usize,
    texts: Vec<Option<String>>,
    seen: HashSet<String>,
}

impl View {
    /// What the room holds now.
    pub async fn of(client: &Client, room: &RoomKey) -> Self {
        let state = client.of_room(room, "cursor messages(last: 100) { totalCount nodes { index text } }").await;
        let nodes = state["messages"]["nodes"].as_array().expect("nodes");
        let texts: Vec<_> = nodes.iter().map(|node| node["text"].as_str().map(str::to_owned)).collect();
        let total = state["messages"]["totalCount"].as_u64().expect("a number") as usize;
        Self { cursor: text(&state["cursor"]), first: total - texts.len(), texts, seen: HashSet::new() }
    }

    /// Takes in the next event, which must be new, and if a message was sent, the next one.
    pub fn apply(&mut self, event: &Value) {
        self.cursor = text(&event["cursor"]);
        assert!(self.seen.insert(self.cursor.clone()), "{event} came twice");
        let index = event["message"]["index"].as_u64().expect("an index") as usize;
        let text = event["message"]["text"].as_str().map(str::to_owned);
        if event["__typename"] == "MessageSent" {
            assert_eq!(index, self.first + self.texts.len(), "the next message is due, not {event}");
            self.texts.push(text);
        } else if index >= self.first {
            self.texts[index - self.first] = text;
        }
    }

    /// The view must be the room.
    pub async fn assert_is(&self, client: &Client, room: &RoomKey) {
        assert_eq!(self.texts, client.texts(room).await[self.first..]);
    }
}

/// The events of a room in which messages are only sent must be the room from message `first` on.
pub fn assert_tell_the_room(events: &[Value], texts: &[Option<String>], first: usize) {
    let told: Vec<_> = events.iter().map(|event| event["message"]["text"].as_str()).collect();
    let held: Vec<_> = texts[first..].iter().map(Option::as_deref).collect();
    assert_eq!(told, held);
    for (event, index) in events.iter().zip(first..) {
        assert_eq!((&event["__typename"], &event["message"]["index"]), (&"MessageSent".into(), &index.into()));
    }
}

/// The events behind `after` up to and with the sending of `last`, from the first of `addresses`; whenever the socket
/// is closed, the reader goes on with the next address, from where it stands.
pub async fn read_on(addresses: Vec<String>, room: RoomKey, mut after: String, last: String) -> Vec<Value> {
    let mut events = Vec::new();
    for address in addresses.iter().cycle() {
        let Ok(mut subscriber) = Subscriber::try_open(address, &room, Some(after.clone())).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        loop {
            match subscriber.next().await {
                Said::Event(event) => {
                    let is_last = event["message"]["text"] == last.as_str();
                    after = text(&event["cursor"]);
                    events.push(event);
                    if is_last {
                        return events;
                    }
                }
                Said::Closed(_) => break,
                other => panic!("an event was expected, not {other:?}"),
            }
        }
    }
    events
}
