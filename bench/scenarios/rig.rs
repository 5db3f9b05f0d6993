//! A server under load: readers of one room on it, and senders into it. The same for our server and for the floor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::floor::Floor;
use crate::line::Line;
use crate::readers::Readers;
use crate::sender::Sender;
use crate::subscription::{Own, subscribe};
use crate::support::client::{RoomKey, User};
use crate::support::server::Server;

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
    pub process: u32,
    readers: Readers,
    senders: Vec<Sender>,
    sent: usize,
}

impl Rig {
    /// Readers of a room on our server that nobody else sends into.
    pub async fn of_server(server: &Server, room: &RoomKey, readers: usize, difference: Difference) -> Self {
        let client = server.client();
        let mut user = User::of(client.clone());
        let mut cursors = Vec::new();
        if matches!(difference, Difference::After) {
            for i in 0..readers {
                cursors.push(client.cursor(room).await);
                user.send(room, &format!("before the readers came, {i}")).await;
            }
        }
        let mut lines = Vec::new();
        for i in 0..readers {
            let mut own = Own { after: cursors.get(i).cloned(), ..Own::default() };
            if matches!(difference, Difference::Token) {
                own.operation_id = format!("operation-{i:04}");
                own.payload = json!({ "token": format!("{i:032x}") });
            }
            let mut line = Line::open(server.address(), "/graphql").await;
            subscribe(&mut line, room, own).await;
            lines.push((line, if cursors.is_empty() { 0 } else { readers - i }));
        }
        client.viewers_become(room, readers).await;
        let senders = join_all((0..SENDERS).map(|_| Sender::to_room(server, room))).await;
        Self { process: server.process_id(), readers: Readers::on(lines), senders, sent: 0 }
    }

    /// Readers on the floor. They get `frame`, with another text each time.
    pub async fn of_floor(floor: &Floor, readers: usize, frame: &str) -> Self {
        let mut lines = Vec::new();
        for _ in 0..readers {
            lines.push((Line::open(floor.address(), "/").await, 0));
        }
        let senders = join_all((0..SENDERS).map(|_| Sender::of_frames(floor, frame))).await;
        Self { process: floor.process_id(), readers: Readers::on(lines), senders, sent: 0 }
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
