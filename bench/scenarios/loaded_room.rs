//! A room under load, with readers and senders.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::readers::Readers;
use crate::sender::Sender;
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;
use crate::target::Target;

/// Sending connections.
const SENDERS: usize = 8;

/// The rate of messages.
#[derive(Clone, Copy)]
pub enum Pace {
    /// One message per interval, regardless of the others.
    Every(Duration),
    /// Full speed: each sender continues as soon as it has a response and the readers keep up.
    Full,
}

impl Pace {
    pub const fn per_second(rate: u32) -> Self {
        Self::Every(Duration::from_nanos(1_000_000_000 / rate as u64))
    }
}

/// How the subscriptions of the readers differ.
#[derive(Clone, Copy)]
pub enum Difference {
    None,
    /// By token and operation id.
    Token,
    /// By the cursor they start from.
    After,
}

/// A room with readers and senders.
pub struct LoadedRoom {
    readers: Readers,
    senders: Vec<Sender>,
    sent: usize,
}

impl LoadedRoom {
    /// Creates a room with this many readers.
    pub async fn new(target: &Target, count: usize, difference: Difference) -> (Self, RoomKey) {
        let room = target.new_room().await;
        let mut cursors = Vec::new();
        if matches!(difference, Difference::After) {
            let mut before = target.sender(&room).await;
            for i in 0..count {
                cursors.extend(target.cursor(&room).await);
                before.send(i).await;
            }
        }
        let mut sockets = Vec::new();
        for i in 0..count {
            let mut options = SubscriptionOptions { after: cursors.get(i).cloned(), ..SubscriptionOptions::default() };
            if matches!(difference, Difference::Token) {
                options.operation_id = format!("operation-{i:04}");
                options.payload = json!({ "token": format!("{i:032x}") });
            }
            let skip = if cursors.is_empty() { 0 } else { count - i };
            sockets.push((target.follow(&room, options).await, skip));
        }
        target.wait_for_followers([&room], count).await;
        let senders = join_all((0..SENDERS).map(|_| target.sender(&room))).await;
        (Self { readers: Readers::on(sockets), senders, sent: 0 }, room)
    }

    /// Sends messages and waits until every reader has all of them. Returns the latency of each delivery since its message was
    /// due.
    pub async fn send(&mut self, messages: usize, pace: Pace) -> Vec<Duration> {
        let (start, first, tally) = (Instant::now(), self.sent, &self.readers.tally);
        let next = AtomicUsize::new(0);
        let due = |i: usize| match pace {
            Pace::Every(interval) => start + interval * i as u32,
            Pace::Full => start,
        };
        join_all(self.senders.iter_mut().map(async |sender| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= messages {
                    return;
                }
                match pace {
                    Pace::Every(_) => tokio::time::sleep_until(due(i).into()).await,
                    Pace::Full => {}
                }
                // At a fixed rate, this waits only if the server falls behind.
                tally.window.acquire().await.expect("an open window").forget();
                sender.send(first + i).await;
            }
        }))
        .await;
        self.sent += messages;
        tally.wait_for_complete(self.sent).await;
        tally.take_arrivals().into_iter().map(|(number, when)| when - due(number - first)).collect()
    }
}
