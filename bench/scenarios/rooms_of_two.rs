//! 500 rooms of two users who write in turns: 1,000 messages a second over all rooms, each with its send and two deliveries.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;

use crate::client::Client;
use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::protocol::Author;
use crate::readers::Readers;
use crate::subscription::SubscriptionOptions;
use crate::target::Target;

const ROOMS: usize = 500;
/// Users of a room, each with a socket.
const PAIR: usize = 2;
/// Connections for all sends.
const CLIENTS: usize = 20;
/// Rooms that are opened concurrently.
const CONCURRENCY: usize = 32;
const MESSAGES_PER_ROOM: usize = 4;
/// Time between two messages of all rooms.
const INTERVAL: Duration = Duration::from_millis(1);
const ROUNDS: usize = 5;
const TIME_LIMIT: Duration = Duration::from_secs(80);

struct RoomsOfTwo;

struct Room {
    authors: [Author; PAIR],
    readers: Readers,
    sent: usize,
}

struct Rig {
    rooms: Vec<Room>,
    clients: Vec<Client>,
}

impl Work for RoomsOfTwo {
    type Rig = Rig;

    const UNIT: &'static str = "a message to a room of two";

    async fn prepare(&self, target: &Target) -> Rig {
        let opened = stream::iter(0..ROOMS).map(async |_| {
            let room = target.new_room().await;
            let mut sockets = Vec::with_capacity(PAIR);
            for _ in 0..PAIR {
                sockets.push((target.follow(&room, SubscriptionOptions::default()).await, 0));
            }
            let authors = [(); PAIR].map(|()| Author::of(&room));
            Room { authors, readers: Readers::on(sockets), sent: 0 }
        });
        let rooms: Vec<_> = opened.buffer_unordered(CONCURRENCY).collect().await;
        target.wait_for_followers(rooms.iter().map(|room| &room.authors[0].room), PAIR).await;
        Rig { rooms, clients: join_all((0..CLIENTS).map(|_| target.client())).await }
    }

    async fn round(&self, target: &Target, rig: &mut Rig) -> Round {
        let (start, protocol) = (Instant::now(), target.contestant.protocol);
        let shares = rig.rooms.chunks_mut(ROOMS / CLIENTS);
        join_all(rig.clients.iter_mut().zip(shares).enumerate().map(async |(number, (client, rooms))| {
            for turn in 0..MESSAGES_PER_ROOM * rooms.len() {
                let due = start + INTERVAL * (turn * CLIENTS + number) as u32;
                tokio::time::sleep_until(due.into()).await;
                let room = &mut rooms[turn % (ROOMS / CLIENTS)];
                room.authors[room.sent % PAIR].send(protocol, client, room.sent).await;
                room.sent += 1;
            }
        }))
        .await;
        for room in &rig.rooms {
            room.readers.tally.wait_for_complete(room.sent).await;
            room.readers.tally.take_arrivals();
        }
        Round { units: ROOMS * MESSAGES_PER_ROOM, figures: Vec::new() }
    }
}

pub async fn run() -> Value {
    compare(&RoomsOfTwo, ALL, ROUNDS, TIME_LIMIT).await
}
