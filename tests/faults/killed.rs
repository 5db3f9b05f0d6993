//! The embedded store through crashes: what was acknowledged is there, and nobody else gets at it.

use std::cell::Cell;
use std::collections::HashMap;

use futures_util::future::{join, join_all};
use serde_json::Value;

use crate::support::client::{Client, RoomKey, User};
use crate::support::eventually;
use crate::support::server::{self, Server};

/// How often the server is killed.
const ROUNDS: usize = 20;
/// How many send at once.
const USERS: usize = 20;
/// How many messages are acknowledged before the server is killed, every round.
const ACKNOWLEDGED: usize = 60;

/// A user who knows where each acknowledged message is.
struct Witness {
    user: User,
    acknowledged: HashMap<String, Value>,
    /// The message that may or may not have been accepted.
    doubtful: Option<String>,
}

impl Witness {
    /// Sends, repeating what is in doubt first. Whether there was an answer, which must be a good one.
    async fn send(&mut self, room: &RoomKey, text: String) -> bool {
        let text = self.doubtful.take().unwrap_or(text);
        match self.user.try_send_once(room, &text, Some(&text)).await {
            Ok(answer) => {
                let index = &answer["data"]["sendMessage"]["message"]["index"];
                assert!(index.is_u64(), "a send was answered with {answer}");
                self.acknowledged.insert(text, index.clone());
                true
            }
            Err(_) => {
                self.doubtful = Some(text);
                false
            }
        }
    }

    /// Sends until the server is gone.
    async fn send_on(&mut self, name: &str, room: &RoomKey, acknowledged: &Cell<usize>) {
        while self.send(room, format!("{name}, {}", self.acknowledged.len())).await {
            acknowledged.set(acknowledged.get() + 1);
        }
    }
}

#[tokio::test]
async fn every_acknowledged_message_survives_being_killed_in_the_middle_of_a_load() {
    let mut server = Server::embedded();
    let room = server.client().create_room().await;
    let start =
        |client: Client| Witness { user: User::with_own_token(client), acknowledged: HashMap::new(), doubtful: None };
    let mut witnesses: Vec<_> = (0..USERS).map(|_| start(server.client())).collect();
    for round in 0..ROUNDS {
        let acknowledged = Cell::new(0);
        let load = join_all(witnesses.iter_mut().enumerate().map(async |(user, witness)| {
            witness.send_on(&format!("{user}, {round}"), &room, &acknowledged).await;
        }));
        let kill = async {
            eventually("a load", async || acknowledged.get() >= ACKNOWLEDGED).await;
            server.kill();
        };
        join(load, kill).await;

        server.start();
        let client = server.client();
        verify(&client, &room, &witnesses).await;
        // The tokens of the last answers are good, and what was repeated is there once.
        for (user, witness) in witnesses.iter_mut().enumerate() {
            witness.user.client = client.clone();
            assert!(witness.send(&room, format!("{user}, after {round}")).await);
        }
    }
    let texts = verify(&server.client(), &room, &witnesses).await;
    let acknowledged: usize = witnesses.iter().map(|witness| witness.acknowledged.len()).sum();
    assert_eq!(texts, acknowledged, "once nothing is in doubt, what was acknowledged is all there is");
}

/// Every acknowledged message is where it was said to be, and none is there twice; how many there are.
async fn verify(client: &Client, room: &RoomKey, witnesses: &[Witness]) -> usize {
    let texts: Vec<_> = client.texts(room).await.into_iter().flatten().collect();
    let places: HashMap<_, _> = texts.iter().enumerate().map(|(index, text)| (text, index)).collect();
    assert_eq!(places.len(), texts.len(), "something is there twice");
    for (text, index) in witnesses.iter().flat_map(|witness| &witness.acknowledged) {
        assert_eq!(places.get(text).map(|place| *place as u64), index.as_u64(), "{text}");
    }
    texts.len()
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_turned_away() {
    let mut first = Server::embedded();
    let room = first.client().create_room().await;
    let data = first.data();
    let directory = data.to_str().expect("text");
    let said = server::failure(&[("DATA_DIR", directory)]);
    assert!(said.contains(directory) && said.contains("in use"), "{said}");
    User::of(first.client()).send(&room, "unharmed").await;
    // A lock left behind by a crash keeps nobody out.
    first.kill();
    first.start();
    assert_eq!(first.client().texts(&room).await.len(), 1);
}
