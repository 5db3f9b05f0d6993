//! What readers that stop reading cost the others; `stopped_readers` says what they cost the server.
//!
//! 100 readers of one room at a steady pace, in rounds that take turns: with 10 more who have stopped reading, and
//! without. The latency of a delivery counts from the moment its message was to be sent; p50 and p99 are those
//! of the middle round. Rounds are many and short, so that what else the machine does falls on both alike; how far they
//! lie apart, from one quarter of them to three, is told beside.

use std::time::Duration;

use crate::contenders::Contender;
use crate::latency::Latencies;
use crate::line::Line;
use crate::meter::{median, rounded};
use crate::rig::{Difference, Pace, Rig};
use crate::subscription::{Own, subscribe};
use crate::support::client::RoomKey;
use serde_json::{Value, json};

const READERS: usize = 100;
const STOPPED: usize = 10;
const ROUNDS: usize = 15;
const PACE: Pace = Pace::Every(Duration::from_millis(10));
/// 2 seconds, in which those who have stopped are not closed yet.
const MESSAGES_A_ROUND: usize = 200;

pub async fn run() -> Value {
    let contender = Contender::embedded();
    let (mut rig, room) = Rig::new(&contender, &contender, READERS, Difference::None, 0).await;
    // To get warm.
    rig.send(MESSAGES_A_ROUND, PACE).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(Latencies::of(rig.send(MESSAGES_A_ROUND, PACE).await));
        let stopped = stopped_readers(&contender, &room).await;
        with.push(Latencies::of(rig.send(MESSAGES_A_ROUND, PACE).await));
        drop(stopped);
        contender.followers_become(&room, READERS).await;
    }
    let side = |rounds: &[Latencies]| {
        let middle = |percentile: fn(&Latencies) -> f64| rounded(median(rounds.iter().map(percentile).collect()), 2);
        json!({
            "p50_ms": middle(|round| round.p50), "p99_ms": middle(|round| round.p99),
            "p99_ms_of_half_the_rounds": quartiles(rounds.iter().map(|round| round.p99).collect()),
        })
    };
    // Each round against the one just before it, which met the same machine.
    let ratios: Vec<_> = with.iter().zip(&without).map(|(with, without)| with.p99 / without.p99).collect();
    json!({
        "readers": READERS, "rounds": ROUNDS, "deliveries_a_round": MESSAGES_A_ROUND * READERS,
        "all_read": side(&without), "stopped": STOPPED, "some_stopped": side(&with),
        "p99_ratio_of_half_the_rounds": quartiles(ratios.clone()), "p99_ratio": rounded(median(ratios), 2),
    })
}

/// What a quarter of the figures lies below, and what a quarter of them lies above.
fn quartiles(mut figures: Vec<f64>) -> [f64; 2] {
    figures.sort_by(f64::total_cmp);
    [figures[figures.len() / 4], figures[figures.len() * 3 / 4]].map(|figure| rounded(figure, 2))
}

/// Readers who subscribe and then read nothing.
async fn stopped_readers(contender: &Contender, room: &RoomKey) -> Vec<Line> {
    let mut lines = Vec::new();
    for _ in 0..STOPPED {
        let mut line = Line::open_narrow(contender.address(), "/graphql").await;
        subscribe(&mut line, room, Own::default()).await;
        lines.push(line);
    }
    contender.followers_become(room, READERS + STOPPED).await;
    lines
}
