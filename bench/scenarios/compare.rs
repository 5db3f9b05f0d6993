//! Has several servers do the same work in turns, round by round, and measures CPU time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::contestants::Contestant;
use crate::process_stats::{median, rounded};
use crate::rounds::Rounds;
use crate::target::Target;

/// Work that every server can do.
pub trait Work {
    /// The rooms, connections and sockets that the work needs on one server.
    type Rig;

    /// One unit of the work.
    const UNIT: &'static str;

    async fn prepare(&self, target: &Target) -> Self::Rig;

    /// Does the work of one round.
    async fn round(&self, target: &Target, rig: &mut Self::Rig) -> Round;

    /// Prepares the next round, unmeasured.
    async fn reset(&self, _target: &Target, _rig: &mut Self::Rig) {}
}

/// What a round did.
pub struct Round {
    pub units: usize,
    /// Figures other than CPU time.
    pub figures: Vec<(&'static str, f64)>,
}

/// A server with its rig, and the figures of each round by name.
struct Side<R> {
    target: Target,
    rig: R,
    figures: BTreeMap<&'static str, Vec<f64>>,
}

/// CPU time of the server per unit of work, in microseconds.
const CPU: &str = "cpu_us";
/// CPU time of Redis per unit of work, in microseconds.
const REDIS_CPU: &str = "redis_cpu_us";

/// Runs a round to warm up, and up to `rounds` that count. No round starts after `time_limit`. The result has the medians of each
/// server, and their ratios to those of the first.
pub async fn compare<W: Work>(
    work: &W,
    contestants: &[&'static Contestant],
    rounds: usize,
    time_limit: Duration,
) -> Value {
    let mut sides = Vec::new();
    for contestant in contestants {
        if contestant.is_installed() {
            let target = Target::start(contestant).await;
            let rig = work.prepare(&target).await;
            sides.push(Side { target, rig, figures: BTreeMap::new() });
        } else {
            eprintln!("{} is left out: run `make peers` to install it", contestant.name);
        }
    }
    let mut rounds = Rounds::new(rounds, time_limit);
    while let Some(counts) = rounds.next() {
        for side in &mut sides {
            side.round(work, counts).await;
        }
    }
    let servers: Vec<_> = sides.iter().map(|side| (side.target.contestant.name, side.medians())).collect();
    let first = servers.first().map(|(_, medians)| medians.clone()).unwrap_or_default();
    let servers: Map<_, _> = servers
        .into_iter()
        .zip(&sides)
        .map(|((name, medians), side)| (name.to_owned(), to_json(&medians, &first, &side.figures[CPU])))
        .collect();
    json!({ "unit": W::UNIT, "rounds": rounds.counted(), "servers": servers })
}

impl<R> Side<R> {
    async fn round<W: Work<Rig = R>>(&mut self, work: &W, counts: bool) {
        let before = self.target.cpu();
        let Round { units, figures } = work.round(&self.target, &mut self.rig).await;
        let after = self.target.cpu();
        work.reset(&self.target, &mut self.rig).await;
        if !counts {
            return;
        }
        let each = |before: f64, after: f64| (after - before) / units as f64;
        let redis = before.redis.zip(after.redis).map(|(before, after)| (REDIS_CPU, each(before, after)));
        for (name, figure) in figures.into_iter().chain([(CPU, each(before.server, after.server))]).chain(redis) {
            self.figures.entry(name).or_default().push(figure);
        }
    }

    fn medians(&self) -> BTreeMap<&'static str, f64> {
        self.figures.iter().map(|(name, figures)| (*name, median(figures.clone()))).collect()
    }
}

fn to_json(medians: &BTreeMap<&str, f64>, first: &BTreeMap<&str, f64>, rounds: &[f64]) -> Value {
    let mut server = Map::new();
    let mut ratios = Map::new();
    for (name, figure) in medians {
        server.insert((*name).to_owned(), rounded(*figure, 2).into());
        if let Some(first) = first.get(name) {
            ratios.insert((*name).to_owned(), rounded(figure / first, 2).into());
        }
    }
    server.insert("rounds_cpu_us".to_owned(), rounds.iter().map(|micros| rounded(*micros, 2)).collect());
    server.insert("ratios".to_owned(), ratios.into());
    server.into()
}
