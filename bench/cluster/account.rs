//! The account of a room: what its readers were told, and how that agrees with its log and with what was acknowledged.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::filler::{Fate, part};
use crate::line::Line;
use crate::readers::number;
use crate::subscription::{Own, subscribe};
use crate::support::client::RoomKey;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { cursor message { text } } }";
/// Before a reader tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// The numbers of the messages that a reader was told, anew each time that its cursor was not valid any more.
pub type Heard = Vec<Vec<usize>>;

/// Reads from `start` up to the message with the number `last`.
pub async fn read(address: String, room: RoomKey, start: String, last: usize) -> Heard {
    let (mut heard, mut after): (Heard, _) = (vec![Vec::new()], start.clone());
    loop {
        let mut line = Line::open(&address, "/graphql").await;
        subscribe(&mut line, &room, Own { query: EVENTS, after: Some(after.clone()), ..Own::default() }).await;
        let mut refusal = None;
        while refusal.is_none() {
            let numbers = heard.last_mut().expect("a beginning");
            line.frames(usize::MAX, |frame| match part(frame, "\"cursor\":\"") {
                Some(cursor) => {
                    numbers.push(number(frame));
                    cursor.clone_into(&mut after);
                }
                None => refusal = Some(frame.to_owned()),
            })
            .await;
            if numbers.last() == Some(&last) {
                return heard;
            }
        }
        let refusal = refusal.expect("a refusal");
        match part(&refusal, "\"code\":\"") {
            Some("CURSOR_INVALID") => {
                heard.push(Vec::new());
                after.clone_from(&start);
            }
            Some("UNAVAILABLE") => {}
            _ => panic!("a reader was told {refusal}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What became of all rooms.
#[derive(Debug, Default)]
pub struct Sum {
    pub rooms: usize,
    pub accepted: usize,
    /// Acknowledged while a primary was killed, and not in the log afterwards.
    pub lost_by_redis: usize,
    /// Acknowledged at any other time, and not in the log afterwards.
    pub missing: usize,
    /// Events of the log that a reader was not told.
    pub gaps: usize,
    /// What is in a log twice, or was told to a reader twice.
    pub repeats: usize,
    /// Readers who were told all, but not in the order of the log.
    pub out_of_order: usize,
    /// How often a reader had to read anew, having read what was lost.
    pub read_anew: usize,
    /// Those of them whom nothing had been told that was lost.
    pub refused_for_nothing: usize,
}

impl Sum {
    /// Whether all is as it must be, whatever Redis lost.
    pub fn is_fine(&self) -> bool {
        self.missing + self.gaps + self.repeats + self.out_of_order + self.refused_for_nothing == 0
    }

    /// Takes in a room, whose primaries were killed at these times.
    pub fn add(&mut self, fates: &[Fate], log: &[usize], readers: &[Heard], kills: &[RangeInclusive<Instant>]) {
        self.rooms += 1;
        let held = count(log);
        self.repeats += repeats(&held);
        for (number, fate) in fates.iter().enumerate() {
            let Fate::Accepted(at) = fate else { continue };
            self.accepted += 1;
            if !held.contains_key(&number) {
                let while_killed = kills.iter().any(|kill| kill.contains(at));
                *(if while_killed { &mut self.lost_by_redis } else { &mut self.missing }) += 1;
            }
        }
        for heard in readers {
            let (whole, before) = heard.split_last().expect("a beginning");
            let told = count(whole);
            let gaps = log.iter().filter(|number| !told.contains_key(number)).count();
            self.gaps += gaps;
            self.repeats += repeats(&told);
            self.out_of_order += usize::from(gaps == 0 && whole != log);
            self.read_anew += before.len();
            self.refused_for_nothing += before.iter().filter(|told| log.starts_with(told)).count();
        }
    }
}

/// How often each is there.
fn count(numbers: &[usize]) -> HashMap<usize, usize> {
    let mut counts = HashMap::with_capacity(numbers.len());
    for number in numbers {
        *counts.entry(*number).or_default() += 1;
    }
    counts
}

fn repeats(counts: &HashMap<usize, usize>) -> usize {
    counts.values().map(|count| count - 1).sum()
}
