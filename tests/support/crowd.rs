//! Load on one room during faults: users send, edit and delete, and readers follow on every transport. At the end, checks that
//! no acknowledged change was lost and that every reader received each event once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::{Client, RoomKey, User, error_code, text};
use super::cuts::{Faults, Read, THE_END, whole_log};
use super::eventually;
use super::subscriber::Received;
use super::transport::{Reader, Resume, Transport};

/// Users per room.
const USERS: usize = 3;
/// Pause between two actions of a user, and before a retry.
const PAUSE: Duration = Duration::from_millis(20);

/// Users and readers of one room.
pub struct Crowd {
    pub room: RoomKey,
    address: String,
    start: String,
    stop: CancellationToken,
    accepted: Arc<AtomicUsize>,
    users: JoinSet<Acknowledged>,
    readers: JoinSet<Read>,
}

/// The acknowledged actions of a user.
#[derive(Default)]
struct Acknowledged {
    cursors: Vec<String>,
    /// The final text of each of the user's messages, by index.
    texts: BTreeMap<u64, Option<String>>,
}

impl Crowd {
    /// Starts users and readers at this address, in a new room.
    pub async fn start(address: &str) -> Self {
        let client = Client::at(address);
        let room = client.create_room().await;
        let start = client.cursor(&room).await;
        let (stop, accepted) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let mut users = JoinSet::new();
        for user in 0..USERS {
            let writer = Writer::new(format!("user {user}"), &client, &room, &accepted);
            users.spawn(writer.write(stop.clone()));
        }
        let mut readers = JoinSet::new();
        for transport in Transport::ALL {
            for resume in [Resume::Argument, Resume::Connection] {
                readers.spawn(read(address.to_owned(), room.clone(), start.clone(), transport, resume));
            }
        }
        let crowd = Self { room, address: address.to_owned(), start, stop, accepted, users, readers };
        crowd.wait_for_accepted(20).await;
        crowd
    }

    /// Waits until `more` further actions are accepted.
    pub async fn wait_for_accepted(&self, more: usize) {
        let (before, start) = (self.accepted.load(Ordering::Relaxed), Instant::now());
        eventually("enough actions are accepted", async || self.accepted.load(Ordering::Relaxed) >= before + more)
            .await;
        println!("{more} more accepted within {:?}", start.elapsed());
    }

    /// Stops the users after their current action and the readers after the last event. Panics unless every acknowledged change
    /// is stored and each reader received each event once, in order.
    pub async fn settle_and_check(mut self) {
        self.wait_for_accepted(20).await;
        self.stop.cancel();
        let (mut cursors, mut expected) = (Vec::new(), BTreeMap::new());
        while let Some(user) = self.users.join_next().await {
            let user = user.expect("a user that did not fail");
            cursors.extend(user.cursors);
            expected.extend(user.texts);
        }
        let client = Client::at(&self.address);
        let mut last = User::of(client.clone());
        expected
            .insert(last.send(&self.room, THE_END).await["index"].as_u64().expect("an index"), Some(THE_END.into()));
        cursors.extend(last.cursor);

        let texts: BTreeMap<_, _> = (0..).zip(client.texts(&self.room).await).collect();
        assert_eq!(texts, expected, "the acknowledged changes are all stored");
        let log = whole_log(&self.address, &self.room, self.start).await;
        let kept: Vec<_> = log.iter().map(|entry| entry.cursor.clone()).collect();
        let mut faults = Faults::default();
        faults.compare(&cursors, &kept);
        assert_eq!(faults, Faults::default(), "faults among the acknowledged changes");
        while let Some(read) = self.readers.join_next().await {
            let read = read.expect("a reader that did not fail");
            assert_eq!(read.entries, log);
            assert_eq!(read.texts, texts);
        }
    }
}

/// A user who repeats each action until it is accepted.
struct Writer {
    name: String,
    user: User,
    room: RoomKey,
    accepted: Arc<AtomicUsize>,
    /// The messages that the user can change, with their index.
    own: Vec<(u64, String)>,
    acknowledged: Acknowledged,
}

impl Writer {
    fn new(name: String, client: &Client, room: &RoomKey, accepted: &Arc<AtomicUsize>) -> Self {
        let (user, accepted) = (User::with_own_token(client.clone()), Arc::clone(accepted));
        Self { name, user, room: room.clone(), accepted, own: Vec::new(), acknowledged: Acknowledged::default() }
    }

    async fn write(mut self, stop: CancellationToken) -> Acknowledged {
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let words = format!("{}, {n}", self.name);
            let dice: u32 = rand::rng().random_range(0..10);
            match (dice, self.own.len()) {
                (6..9, count @ 1..) => {
                    let (index, id) = self.own[rand::rng().random_range(0..count)].clone();
                    self.change(index, &id, Some(words)).await;
                }
                (9, count @ 1..) => {
                    let (index, id) = self.own.swap_remove(rand::rng().random_range(0..count));
                    self.change(index, &id, None).await;
                }
                _ => self.send(words).await,
            }
            self.accepted.fetch_add(1, Ordering::Relaxed);
            self.acknowledged.cursors.extend(self.user.cursor.take());
            tokio::time::sleep(PAUSE).await;
        }
        self.acknowledged
    }

    async fn send(&mut self, words: String) {
        loop {
            if let Some(response) = accepted(self.user.try_send_once(&self.room, &words, Some(&words)).await, &[]) {
                let message = &response["data"]["sendMessage"]["message"];
                let index = message["index"].as_u64().expect("an index");
                self.own.push((index, text(&message["id"])));
                self.acknowledged.texts.insert(index, Some(words));
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn change(&mut self, index: u64, id: &str, words: Option<String>) {
        // An unacknowledged deletion may have been applied.
        let tolerated: &[_] = if words.is_none() { &["MESSAGE_NOT_FOUND"] } else { &[] };
        while accepted(self.user.try_change(&self.room, id, words.as_deref()).await, tolerated).is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        self.acknowledged.texts.insert(index, words);
    }
}

/// The response to an action that was accepted, or refused with a tolerated code. Any other refusal must be `UNAVAILABLE`.
fn accepted(response: Result<Value, reqwest::Error>, tolerated: &[&str]) -> Option<Value> {
    let response = response.ok()?;
    if response.get("errors").is_none() || tolerated.contains(&&*error_code(&response)) {
        return Some(response);
    }
    assert_eq!(error_code(&response), "UNAVAILABLE", "an action was refused: {response}");
    None
}

/// Reads from `start` to the last event, over as many connections as needed.
async fn read(address: String, room: RoomKey, start: String, transport: Transport, resume: Resume) -> Read {
    let mut read = Read::default();
    loop {
        let after = read.entries.last().map_or(&start, |entry| &entry.cursor).clone();
        let connection = TcpStream::connect(&address).await.map_err(Into::into);
        let opened = match connection {
            Ok(connection) => Reader::over(connection, transport, &room, Some(after), resume).await,
            Err(error) => Err(error),
        };
        if let Ok(mut reader) = opened {
            loop {
                match reader.next().await {
                    Received::Event(event) => {
                        if read.apply(&event) {
                            return read;
                        }
                    }
                    Received::Closed(_) => break,
                    Received::Error(error) => {
                        assert!(error.to_string().contains("\"UNAVAILABLE\""), "{transport:?} received {error}");
                        break;
                    }
                    Received::Complete => panic!("a reader over {transport:?} received `complete`"),
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
