//! Reads a room live, and compares its readers and its log with the acknowledged messages.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::filler::{Outcome, extract};
use crate::readers::number;
use crate::subscription::{SubscriptionOptions, subscribe};
use crate::support::client::RoomKey;
use crate::websocket::WebSocketClient;

const EVENTS: &str = "subscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { cursor message { text } } }";
/// Delay before a reader retries.
const PAUSE: Duration = Duration::from_millis(20);

/// The numbers of the messages that a reader received. A new list starts whenever its cursor became invalid.
pub type Received = Vec<Vec<usize>>;

/// Reads from the cursor `start` up to the message number `last`.
pub async fn read(address: String, room: RoomKey, start: String, last: usize) -> Received {
    let (mut received, mut after): (Received, _) = (vec![Vec::new()], start.clone());
    loop {
        let mut socket = WebSocketClient::open(&address, "/graphql").await;
        subscribe(
            &mut socket,
            &room,
            SubscriptionOptions { query: EVENTS, after: Some(after.clone()), ..SubscriptionOptions::default() },
        )
        .await;
        let mut refusal = None;
        while refusal.is_none() {
            let numbers = received.last_mut().expect("a list");
            socket
                .read_texts(usize::MAX, |frame| match extract(frame, "\"cursor\":\"") {
                    Some(cursor) => {
                        numbers.push(number(frame));
                        cursor.clone_into(&mut after);
                    }
                    None => refusal = Some(frame.to_owned()),
                })
                .await;
            if numbers.last() == Some(&last) {
                return received;
            }
        }
        let refusal = refusal.expect("a refusal");
        match extract(&refusal, "\"code\":\"") {
            Some("CURSOR_INVALID") => {
                received.push(Vec::new());
                after.clone_from(&start);
            }
            Some("UNAVAILABLE") => {}
            _ => panic!("a reader received {refusal}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The results of all rooms.
#[derive(Debug, Default)]
pub struct Totals {
    pub rooms: usize,
    pub accepted: usize,
    /// Messages acknowledged during a failover and missing in the log afterwards.
    pub lost_by_redis: usize,
    /// Messages acknowledged at any other time and missing in the log afterwards.
    pub missing: usize,
    /// Events of the log that a reader did not receive.
    pub gaps: usize,
    /// Events that are in a log twice, or that a reader received twice.
    pub repeats: usize,
    /// Readers that received all events, but not in the order of the log.
    pub out_of_order: usize,
    /// Readers that had to start over because their cursor was lost in a failover.
    pub read_anew: usize,
    /// Readers that had to start over although they had received no lost event.
    pub refused_for_nothing: usize,
}

impl Totals {
    /// Whether there was no fault other than what Redis lost.
    pub fn is_ok(&self) -> bool {
        self.missing + self.gaps + self.repeats + self.out_of_order + self.refused_for_nothing == 0
    }

    /// Adds a room. `kills` are the times of the failovers.
    pub fn add(
        &mut self,
        outcomes: &[Outcome],
        log: &[usize],
        readers: &[Received],
        kills: &[RangeInclusive<Instant>],
    ) {
        self.rooms += 1;
        let in_log = count(log);
        self.repeats += repeats(&in_log);
        for (number, outcome) in outcomes.iter().enumerate() {
            let Outcome::Accepted(at) = outcome else { continue };
            self.accepted += 1;
            if !in_log.contains_key(&number) {
                let in_failover = kills.iter().any(|kill| kill.contains(at));
                *(if in_failover { &mut self.lost_by_redis } else { &mut self.missing }) += 1;
            }
        }
        for received in readers {
            let (whole, before) = received.split_last().expect("a list");
            let counts = count(whole);
            let gaps = log.iter().filter(|number| !counts.contains_key(number)).count();
            self.gaps += gaps;
            self.repeats += repeats(&counts);
            self.out_of_order += usize::from(gaps == 0 && whole != log);
            self.read_anew += before.len();
            self.refused_for_nothing += before.iter().filter(|numbers| log.starts_with(numbers)).count();
        }
    }
}

/// The number of occurrences of each number.
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
