//! Readers of one room, and the account of what reaches them: every message, once, in the same order for all.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::line::Line;
use crate::support::eventually;

/// Messages that are sent before the first of them has reached everybody, at most. Less than what makes a server go
/// back to its log, so that what is measured is delivery.
const WINDOW: usize = 32;

/// Stands before a message's number in its text.
const MARK: char = '#';

/// The text of a message, which tells its number.
pub fn text(number: usize) -> String {
    format!("{MARK}{number:08} of somebody who says some forty characters")
}

/// The number of the message in a frame.
pub fn number(frame: &str) -> usize {
    let digits = frame.find(MARK).and_then(|mark| frame.get(mark + 1..mark + 9));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no message in {frame}"))
}

/// All readers of one room. They stop when this is dropped.
pub struct Readers {
    pub tally: Arc<Tally>,
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Readers on these lines, the events of each to be passed over first.
    pub fn on(lines: Vec<(Line, usize)>) -> Self {
        let tally = Arc::new(Tally {
            readers: lines.len(),
            counts: Mutex::default(),
            window: Semaphore::new(if lines.is_empty() { Semaphore::MAX_PERMITS } else { WINDOW }),
        });
        let mut tasks = JoinSet::new();
        for (line, skip) in lines {
            tasks.spawn(read(line, skip, Arc::clone(&tally)));
        }
        Self { tally, _tasks: tasks }
    }
}

async fn read(mut line: Line, skip: usize, tally: Arc<Tally>) {
    for _ in 0..skip {
        line.hear().await;
    }
    let mut position = 0;
    loop {
        line.frames(usize::MAX, |frame| {
            tally.arrived(position, number(frame));
            position += 1;
        })
        .await;
    }
}

/// What has reached the readers.
pub struct Tally {
    readers: usize,
    counts: Mutex<Counts>,
    /// How many messages may be sent now.
    pub window: Semaphore,
}

#[derive(Default)]
struct Counts {
    /// The numbers of the messages, in the order in which the first reader got them, and how many readers have each.
    order: Vec<(usize, usize)>,
    /// Messages that have reached everybody.
    complete: usize,
    /// Every delivery since it was last asked for: the message's number, and when.
    arrivals: Vec<(usize, Instant)>,
}

impl Tally {
    fn arrived(&self, position: usize, number: usize) {
        let mut counts = self.counts.lock().expect("the counts");
        if position == counts.order.len() {
            counts.order.push((number, 0));
        }
        let (expected, readers) = &mut counts.order[position];
        assert_eq!(*expected, number, "all readers get the same messages in the same order");
        *readers += 1;
        if *readers == self.readers {
            counts.complete += 1;
            self.window.add_permits(1);
        }
        counts.arrivals.push((number, Instant::now()));
    }

    /// Waits until `sent` messages in all have reached every reader; fails if one of them does not, or comes twice.
    pub async fn complete(&self, sent: usize) {
        if self.readers == 0 {
            return;
        }
        let complete = || self.counts.lock().expect("the counts").complete;
        eventually(&format!("{sent} messages have reached everybody"), async || complete() >= sent).await;
        let counts = self.counts.lock().expect("the counts");
        let mut numbers: Vec<_> = counts.order.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        let wrong = numbers.iter().enumerate().find(|(i, number)| i != *number);
        assert!(
            wrong.is_none() && numbers.len() == sent,
            "every message comes once: {} of {sent}, {wrong:?}",
            numbers.len()
        );
    }

    /// Takes the deliveries since the last time: each message's number, and when it came.
    pub fn take_arrivals(&self) -> Vec<(usize, Instant)> {
        std::mem::take(&mut self.counts.lock().expect("the counts").arrivals)
    }
}
