//! Delivery of messages to the readers of one room, sends included. The run fails if a reader misses a message.

use std::time::Duration;

use serde_json::Value;

use crate::compare::{Round, Work, compare};
use crate::contestants::{ALL, Contestant, OURS};
use crate::latency::Latencies;
use crate::loaded_room::{Difference, LoadedRoom, Pace};
use crate::target::Target;

const TIME_LIMIT: Duration = Duration::from_secs(80);

/// A variant of the measurement.
#[derive(Clone, Copy)]
pub struct Case {
    pub readers: usize,
    pub difference: Difference,
    pub pace: Pace,
    pub messages_a_round: usize,
    pub rounds: usize,
    /// No round starts after this time.
    pub time_limit: Duration,
    pub contestants: &'static [&'static Contestant],
}

impl Case {
    /// Identical subscriptions, and messages at full speed.
    pub const fn full(readers: usize, messages_a_round: usize) -> Self {
        Self {
            readers,
            difference: Difference::None,
            pace: Pace::Full,
            messages_a_round,
            rounds: 5,
            time_limit: TIME_LIMIT,
            contestants: OURS,
        }
    }

    /// Messages at a fixed rate, two seconds a round.
    const fn paced(readers: usize, messages_a_second: u32) -> Self {
        let pace = Pace::per_second(messages_a_second);
        Self { pace, contestants: ALL, ..Self::full(readers, 2 * messages_a_second as usize) }
    }
}

pub const PACED_1000: Case = Case::paced(1_000, 10);
pub const PACED_100: Case = Case::paced(100, 50);
pub const FULL_1000: Case = Case::full(1_000, 200);
pub const FULL_100: Case = Case::full(100, 2_000);
pub const TOKENS: Case = Case { difference: Difference::Token, ..FULL_1000 };
pub const AFTER: Case = Case { difference: Difference::After, ..FULL_1000 };

impl Work for Case {
    type Rig = LoadedRoom;

    const UNIT: &'static str = "a delivery";

    async fn prepare(&self, target: &Target) -> LoadedRoom {
        LoadedRoom::new(target, self.readers, self.difference).await.0
    }

    async fn round(&self, _: &Target, rig: &mut LoadedRoom) -> Round {
        let latencies = rig.send(self.messages_a_round, self.pace).await;
        let figures = match self.pace {
            Pace::Every(_) => Latencies::of(latencies).to_figures(),
            // At full speed, messages have no due time.
            Pace::Full => Vec::new(),
        };
        Round { units: self.messages_a_round * self.readers, figures }
    }
}

pub async fn run(case: &Case) -> Value {
    compare(case, case.contestants, case.rounds, case.time_limit).await
}
