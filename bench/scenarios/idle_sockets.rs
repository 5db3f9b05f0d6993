//! 2,000 sockets that subscribe in rooms of 20: memory of an idle one, and CPU time of opening one with its subscription.

use std::time::Duration;

use serde_json::Value;

use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::process_stats::resident_kib;
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;
use crate::target::Target;
use crate::websocket::WebSocketClient;

const ROOMS: usize = 100;
const SOCKETS_PER_ROOM: usize = 20;
const SOCKETS: usize = ROOMS * SOCKETS_PER_ROOM;
/// Time until memory no longer changes.
const SETTLING: Duration = Duration::from_secs(3);
/// Time until the last subscription is open. A request to the server would be measured, too.
const OPENING: Duration = Duration::from_millis(500);
const ROUNDS: usize = 3;
const TIME_LIMIT: Duration = Duration::from_secs(80);

struct IdleSockets;

struct Rig {
    rooms: Vec<RoomKey>,
    sockets: Vec<WebSocketClient>,
    /// Growth of the server's memory when the sockets were opened for the first time.
    kib_per_socket: f64,
}

impl Rig {
    async fn open_sockets(&mut self, target: &Target) {
        for number in 0..SOCKETS {
            let room = &self.rooms[number % ROOMS];
            self.sockets.push(target.follow(room, SubscriptionOptions::default()).await);
        }
    }
}

impl Work for IdleSockets {
    type Rig = Rig;

    const UNIT: &'static str = "opening a socket and a subscription";

    async fn prepare(&self, target: &Target) -> Rig {
        let mut rooms = Vec::new();
        for _ in 0..ROOMS {
            let room = target.new_room().await;
            target.fill(&room, 1, 1).await;
            rooms.push(room);
        }
        let mut rig = Rig { rooms, sockets: Vec::new(), kib_per_socket: 0.0 };
        tokio::time::sleep(SETTLING).await;
        let before = resident_kib(target.process_id());
        rig.open_sockets(target).await;
        target.wait_for_followers(&rig.rooms, SOCKETS_PER_ROOM).await;
        tokio::time::sleep(SETTLING).await;
        rig.kib_per_socket = (resident_kib(target.process_id()) - before) / SOCKETS as f64;
        self.reset(target, &mut rig).await;
        rig
    }

    async fn round(&self, target: &Target, rig: &mut Rig) -> Round {
        rig.open_sockets(target).await;
        tokio::time::sleep(OPENING).await;
        Round { units: SOCKETS, figures: vec![("kib", rig.kib_per_socket)] }
    }

    async fn reset(&self, target: &Target, rig: &mut Rig) {
        rig.sockets.clear();
        target.wait_for_followers(&rig.rooms, 0).await;
    }
}

pub async fn run() -> Value {
    compare(&IdleSockets, ALL, ROUNDS, TIME_LIMIT).await
}
