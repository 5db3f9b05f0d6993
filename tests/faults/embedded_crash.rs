//! The embedded store after crashes: acknowledged messages are kept, and a second process is locked out.

use std::cell::Cell;
use std::collections::HashMap;

use futures_util::future::{join, join_all};
use serde_json::Value;

use crate::support::client::{Client, RoomKey, User};
use crate::support::eventually;
use crate::support::server::{self, Server};

/// How often the server is killed.
const ROUNDS: usize = 20;
/// Concurrent senders.
const USERS: usize = 20;
/// Messages acknowledged before each kill.
const ACKNOWLEDGED: usize = 60;

/// A sender that records the index of each acknowledged message.
struct RecordingSender {
    user: User,
    acknowledged: HashMap<String, Value>,
    /// The text whose outcome is unknown.
    unconfirmed: Option<String>,
}

impl RecordingSender {
    /// Sends a text, or repeats the unconfirmed one. Returns whether there was a response. Panics if it is an error.
    async fn send(&mut self, room: &RoomKey, text: String) -> bool {
        let text = self.unconfirmed.take().unwrap_or(text);
        match self.user.try_send_once(room, &text, Some(&text)).await {
            Ok(response) => {
                let index = &response["data"]["sendMessage"]["message"]["index"];
                assert!(index.is_u64(), "a send failed: {response}");
                self.acknowledged.insert(text, index.clone());
                true
            }
            Err(_) => {
                self.unconfirmed = Some(text);
                false
            }
        }
    }

    /// Sends until the server is gone.
    async fn keep_sending(&mut self, name: &str, room: &RoomKey, acknowledged: &Cell<usize>) {
        while self.send(room, format!("{name}, {}", self.acknowledged.len())).await {
            acknowledged.set(acknowledged.get() + 1);
        }
    }
}

#[tokio::test]
async fn acknowledged_messages_survive_kills_under_load() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    let start = |client: Client| RecordingSender {
        user: User::with_own_token(client),
        acknowledged: HashMap::new(),
        unconfirmed: None,
    };
    let mut senders: Vec<_> = (0..USERS).map(|_| start(server.client())).collect();
    for round in 0..ROUNDS {
        let acknowledged = Cell::new(0);
        let load = join_all(senders.iter_mut().enumerate().map(async |(user, sender)| {
            sender.keep_sending(&format!("{user}, {round}"), &room, &acknowledged).await;
        }));
        let kill = async {
            eventually("a load", async || acknowledged.get() >= ACKNOWLEDGED).await;
            server.kill();
        };
        join(load, kill).await;

        server.start();
        let client = server.client();
        verify(&client, &room, &senders).await;
        // The last tokens are valid, and repeated messages are stored once.
        for (user, sender) in senders.iter_mut().enumerate() {
            sender.user.client = client.clone();
            assert!(sender.send(&room, format!("{user}, after {round}")).await);
        }
    }
    let texts = verify(&server.client(), &room, &senders).await;
    let acknowledged: usize = senders.iter().map(|sender| sender.acknowledged.len()).sum();
    assert_eq!(texts, acknowledged, "once all are confirmed, exactly the acknowledged messages are stored");
}

/// Asserts that every acknowledged message has the acknowledged index and none is stored twice. Returns the number of messages.
async fn verify(client: &Client, room: &RoomKey, senders: &[RecordingSender]) -> usize {
    let texts: Vec<_> = client.texts(room).await.into_iter().flatten().collect();
    let indexes: HashMap<_, _> = texts.iter().enumerate().map(|(index, text)| (text, index)).collect();
    assert_eq!(indexes.len(), texts.len(), "a text is stored twice");
    for (text, index) in senders.iter().flat_map(|sender| &sender.acknowledged) {
        assert_eq!(indexes.get(text).map(|index| *index as u64), index.as_u64(), "{text}");
    }
    texts.len()
}

#[tokio::test]
async fn second_process_on_the_same_data_directory_is_rejected() {
    let mut first = Server::embedded();
    let room = first.client().create_room().await;
    let data = first.data();
    let directory = data.to_str().expect("text");
    let error = server::failure(&[("DATA_DIR", directory)]);
    assert!(error.contains(directory) && error.contains("in use"), "{error}");
    User::of(first.client()).send(&room, "unharmed").await;
    // The lock of a crashed process has no effect.
    first.kill();
    first.start();
    assert_eq!(first.client().texts(&room).await.len(), 1);
}
