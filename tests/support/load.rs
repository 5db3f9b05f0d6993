//! Many concurrent senders: for a number of messages, or until they are stopped, even during faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Client, RoomKey, User, error_code};
use super::room_view::assert_events_match;
use super::subscriber::Subscriber;
use super::{TIMEOUT, eventually};

/// Sends `each` messages from every user, in parallel. Repeats a message if a busy machine has no answer of the store in time. Panics
/// if one is refused.
pub async fn send_concurrently(client: &Client, room: &RoomKey, users: usize, each: usize) {
    let senders = (0..users).map(|user| async move {
        let mut sender = User::with_own_token(client.clone());
        for n in 0..each {
            let (text, start) = (format!("{user}/{n}"), Instant::now());
            while !try_send(&mut sender, room, &text).await {
                assert!(start.elapsed() < TIMEOUT, "{text} is not accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    join_all(senders).await;
}

/// Users that send in the background and repeat each message until it is accepted.
pub struct Senders {
    stop: CancellationToken,
    accepted: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Senders {
    /// Starts the users on the first of `clients`. A user whose message is not accepted continues with the next client.
    pub fn start(clients: Vec<Client>, room: &RoomKey, users: usize) -> Self {
        let (stop, accepted) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let tasks = (0..users).map(|user| {
            let (clients, room, stop, accepted) = (clients.clone(), room.clone(), stop.clone(), accepted.clone());
            tokio::spawn(async move {
                let mut sender = User::with_own_token(clients[0].clone());
                let mut clients = clients.iter().cycle();
                let mut sent = Vec::new();
                while !stop.is_cancelled() {
                    let text = format!("sender {user}, message {}", sent.len());
                    while !try_send(&mut sender, &room, &text).await {
                        sender.client = clients.next().expect("a cycle").clone();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    sent.push(text);
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                sent
            })
        });
        let tasks = tasks.collect();
        Self { stop, accepted, tasks }
    }

    /// Waits until `more` further messages are accepted.
    pub async fn wait_for_accepted(&self, more: usize) {
        let enough = self.accepted.load(Ordering::Relaxed) + more;
        eventually("enough messages are accepted", async || self.accepted.load(Ordering::Relaxed) >= enough).await;
    }

    /// Stops the users after their current message. Returns the texts of all accepted messages.
    pub async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        let mut sent = Vec::new();
        for task in self.tasks {
            sent.extend(task.await.expect("a sender that did not fail"));
        }
        sent
    }
}

/// Sends a message and returns whether it was accepted. Panics if it was refused for another reason than an outage.
async fn try_send(sender: &mut User, room: &RoomKey, text: &str) -> bool {
    match sender.try_send_once(room, text, Some(text)).await {
        Ok(response) if response.get("errors").is_none() => true,
        Ok(response) => {
            assert_eq!(error_code(&response), "UNAVAILABLE", "a send was refused: {response}");
            false
        }
        Err(_) => false,
    }
}

/// Asserts that all messages of [`send_concurrently`] are stored, and that each of `subscribers`, which follow the room from its
/// beginning, received each of them once and in order.
pub async fn assert_all_delivered(
    client: &Client,
    room: &RoomKey,
    subscribers: &mut [Subscriber],
    users: usize,
    each: usize,
) {
    let texts = client.texts(room).await;
    let mut sent: Vec<_> = texts.iter().flatten().cloned().collect();
    let mut expected: Vec<_> = (0..users).flat_map(|user| (0..each).map(move |n| format!("{user}/{n}"))).collect();
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
    User::of(client.clone()).send(room, "the end").await;
    for subscriber in subscribers {
        let events = subscriber.until_sent("the end").await;
        assert_events_match(&events[..users * each], &texts, 0);
    }
}
