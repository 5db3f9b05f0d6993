//! Sends without readers: 32 connections, each of which sends again as soon as it has a response, in a new room each round.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::latency::Latencies;
use crate::sender::Sender;
use crate::target::Target;

const CONNECTIONS: usize = 32;
const SENDS_EACH: usize = 100;
const ROUNDS: usize = 9;
const TIME_LIMIT: Duration = Duration::from_secs(50);

struct Send;

impl Work for Send {
    type Rig = Vec<Sender>;

    const UNIT: &'static str = "a send";

    async fn prepare(&self, target: &Target) -> Vec<Sender> {
        let room = target.new_room().await;
        join_all((0..CONNECTIONS).map(|_| target.sender(&room))).await
    }

    async fn round(&self, _: &Target, senders: &mut Vec<Sender>) -> Round {
        let elapsed = join_all(senders.iter_mut().map(async |sender| {
            let mut elapsed = Vec::with_capacity(SENDS_EACH);
            for number in 0..SENDS_EACH {
                let start = Instant::now();
                sender.send(number).await;
                elapsed.push(start.elapsed());
            }
            elapsed
        }))
        .await;
        Round { units: CONNECTIONS * SENDS_EACH, figures: Latencies::of(elapsed.concat()).to_figures() }
    }

    async fn reset(&self, target: &Target, senders: &mut Vec<Sender>) {
        let room = target.new_room().await;
        senders.iter_mut().for_each(|sender| sender.move_to(&room));
    }
}

pub async fn run() -> Value {
    compare(&Send, ALL, ROUNDS, TIME_LIMIT).await
}
