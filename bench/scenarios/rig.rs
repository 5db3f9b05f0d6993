//! A room under load: readers of it, and senders into it. The same for our server and for the floor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::contenders::Contender;
use crate::readers::Readers;
use crate::sender::Sender;
use crate::subscription::Own;
use crate::support::client::RoomKey;

/// Connections that send.
const SENDERS: usize = 8;

/// How fast messages are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// One in so much time, whatever becomes of the others.
    Every(Duration),
    /// As fast as it goes: the next as soon as a sender has its answer and the readers keep up.
    Full,
}

impl Pace {
    pub fn a_second(rate: usize) -> Self {
        Self::Every(Duration::from_secs(1) / rate as u32)
    }
}

/// In what the readers differ from each other.
#[derive(Clone, Copy)]
pub enum Difference {
    None,
    /// Each presents another token and names its operation differently.
    Token,
    /// Each begins behind another event.
    After,
}

/// A room with readers and senders.
pub struct Rig {
    readers: Readers,
    senders: Vec<Sender>,
    sent: usize,
}

impl Rig {
    /// A new room with readers on one server and senders on another or the same. From a floor messages come as frames
    /// of so many bytes.
    pub async fn new(
        senders: &Contender,
        readers: &Contender,
        count: usize,
        difference: Difference,
        bytes: usize,
    ) -> (Self, RoomKey) {
        let room = senders.new_room().await;
        let mut cursors = Vec::new();
        if let (Difference::After, Contender::Livechat(_, client)) = (difference, senders) {
            let mut before = senders.sender(&room, 0).await;
            for i in 0..count {
                cursors.push(client.cursor(&room).await);
                before.send(i).await;
            }
        }
        let mut lines = Vec::new();
        for i in 0..count {
            let mut own = Own { after: cursors.get(i).cloned(), ..Own::default() };
            if matches!(difference, Difference::Token) {
                own.operation_id = format!("operation-{i:04}");
                own.payload = json!({ "token": format!("{i:032x}") });
            }
            let passed_over = if cursors.is_empty() { 0 } else { count - i };
            lines.push((readers.follow(&room, own).await, passed_over));
        }
        readers.followers_become(&room, count).await;
        let senders = join_all((0..SENDERS).map(|_| senders.sender(&room, bytes))).await;
        (Self { readers: Readers::on(lines), senders, sent: 0 }, room)
    }

    /// Sends so many messages and waits until each of them has reached every reader. The latencies of all deliveries,
    /// each since the moment its message was to be sent.
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
                // At a pace, whoever keeps up never waits here.
                tally.window.acquire().await.expect("an open window").forget();
                sender.send(first + i).await;
            }
        }))
        .await;
        self.sent += messages;
        tally.complete(self.sent).await;
        tally.take_arrivals().into_iter().map(|(number, when)| when - due(number - first)).collect()
    }
}
