//! A reconnect storm: 5,000 sockets return at once, each to a room where it has missed 20 messages. Livechat resumes from a cursor;
//! the others send the last 20.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::readers::read_messages;
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;
use crate::target::Target;
use crate::websocket::WebSocketClient;

const SOCKETS: usize = 5_000;
const ROOMS: usize = 50;
const MISSED: usize = 20;
/// Concurrent connection attempts. More would wait for the kernel's accept queue, not for the server.
const CONCURRENT_CONNECTS: usize = 500;
const ROUNDS: usize = 3;
const TIME_LIMIT: Duration = Duration::from_secs(90);

struct Storm;

struct Rig {
    /// Each with the cursor before the missed messages.
    rooms: Vec<(RoomKey, Option<String>)>,
    sockets: Vec<WebSocketClient>,
}

impl Work for Storm {
    type Rig = Rig;

    const UNIT: &'static str = "a socket that returns";

    async fn prepare(&self, target: &Target) -> Rig {
        let mut rooms = Vec::new();
        for _ in 0..ROOMS {
            let room = target.new_room().await;
            let cursor = target.cursor(&room).await;
            target.fill(&room, MISSED, 1).await;
            rooms.push((room, cursor));
        }
        Rig { rooms, sockets: Vec::new() }
    }

    async fn round(&self, target: &Target, rig: &mut Rig) -> Round {
        let (start, connects) = (Instant::now(), Semaphore::new(CONCURRENT_CONNECTS));
        let returning = (0..SOCKETS).map(async |number| {
            let (room, after) = &rig.rooms[number % ROOMS];
            let options =
                SubscriptionOptions { after: after.clone(), missed: MISSED, ..SubscriptionOptions::default() };
            let permit = connects.acquire().await.expect("an open semaphore");
            let mut socket = target.follow(room, options).await;
            drop(permit);
            read_messages(&mut socket, MISSED).await;
            socket
        });
        // All sockets stay open until the last has caught up.
        let sockets = join_all(returning).await;
        rig.sockets = sockets;
        Round { units: SOCKETS, figures: vec![("seconds", start.elapsed().as_secs_f64())] }
    }

    async fn reset(&self, target: &Target, rig: &mut Rig) {
        rig.sockets.clear();
        target.wait_for_followers(rig.rooms.iter().map(|(room, _)| room), 0).await;
    }
}

pub async fn run() -> Value {
    compare(&Storm, ALL, ROUNDS, TIME_LIMIT).await
}
