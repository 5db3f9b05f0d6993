//! A reader that returns 10,000 messages behind. Livechat resumes from a cursor; the others send the last 10,000.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::readers::read_messages;
use crate::subscription::SubscriptionOptions;
use crate::support::client::RoomKey;
use crate::target::Target;
use crate::websocket::WebSocketClient;

const MESSAGES: usize = 10_000;
const SENDERS: usize = 20;
const ROUNDS: usize = 7;
const TIME_LIMIT: Duration = Duration::from_secs(40);

struct Replay;

struct Rig {
    room: RoomKey,
    after: Option<String>,
    socket: Option<WebSocketClient>,
}

impl Work for Replay {
    type Rig = Rig;

    const UNIT: &'static str = "a missed message";

    async fn prepare(&self, target: &Target) -> Rig {
        let room = target.new_room().await;
        let after = target.cursor(&room).await;
        target.fill(&room, MESSAGES, SENDERS).await;
        Rig { room, after, socket: None }
    }

    async fn round(&self, target: &Target, rig: &mut Rig) -> Round {
        let start = Instant::now();
        let options =
            SubscriptionOptions { after: rig.after.clone(), missed: MESSAGES, ..SubscriptionOptions::default() };
        let mut socket = target.follow(&rig.room, options).await;
        read_messages(&mut socket, MESSAGES).await;
        rig.socket = Some(socket);
        Round { units: MESSAGES, figures: vec![("us", start.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64)] }
    }

    async fn reset(&self, target: &Target, rig: &mut Rig) {
        rig.socket = None;
        target.wait_for_followers([&rig.room], 0).await;
    }
}

pub async fn run() -> Value {
    compare(&Replay, ALL, ROUNDS, TIME_LIMIT).await
}
