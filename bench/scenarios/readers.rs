//! Readers of one room, with a check that each gets every message once and all get the same order.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::eventually;
use crate::websocket::WebSocketClient;

/// Largest number of messages that not all readers have received. Below the lag at which a server rereads its log, so that
/// live delivery is measured.
const WINDOW: usize = 32;

/// Precedes a message's number in its text, and occurs nowhere else, also not in the names of users.
const MARK: char = '~';

/// Parts of the answers of a GraphQL server that failed: in the result of an operation, or instead of one.
const ERRORS: [&str; 2] = ["\"errors\":", "\"type\":\"error\""];

/// The text of the message with this number: 120 characters.
pub fn text(number: usize) -> String {
    const REST: &str = "of somebody who says what people say in a room: a sentence or two, which together have about a hundred letters";
    format!("{MARK}{number:08} {REST}")
}

/// The number of messages in a frame or a response.
pub fn count_messages(text: &str) -> usize {
    text.matches(MARK).count()
}

/// Waits for this many messages on a socket. Peers may send several in one frame.
pub async fn read_messages(socket: &mut WebSocketClient, messages: usize) {
    let mut received = 0;
    while received < messages {
        let missing = messages - received;
        let take = |frame: &str| {
            assert!(!ERRORS.iter().any(|part| frame.contains(part)), "the server answered with an error: {frame}");
            received += count_messages(frame);
        };
        socket.read_texts(missing, take).await;
    }
    assert_eq!(received, messages, "every message comes once");
}

/// The number of the message in a frame.
pub fn number(frame: &str) -> usize {
    let digits = frame.find(MARK).and_then(|mark| frame.get(mark + 1..mark + 9));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no message in {frame}"))
}

/// The readers of one room, stopped when dropped.
pub struct Readers {
    pub tally: Arc<Tally>,
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Reads from these sockets, after skipping the given number of events on each.
    pub fn on(sockets: Vec<(WebSocketClient, usize)>) -> Self {
        let tally = Arc::new(Tally {
            readers: sockets.len(),
            counts: Mutex::default(),
            window: Semaphore::new(if sockets.is_empty() { Semaphore::MAX_PERMITS } else { WINDOW }),
        });
        let mut tasks = JoinSet::new();
        for (socket, skip) in sockets {
            tasks.spawn(read(socket, skip, Arc::clone(&tally)));
        }
        Self { tally, _tasks: tasks }
    }
}

async fn read(mut socket: WebSocketClient, skip: usize, tally: Arc<Tally>) {
    read_messages(&mut socket, skip).await;
    let mut position = 0;
    loop {
        socket
            .read_texts(usize::MAX, |frame| {
                tally.record(position, number(frame));
                position += 1;
            })
            .await;
    }
}

/// The messages that the readers have received.
pub struct Tally {
    readers: usize,
    counts: Mutex<Counts>,
    /// One permit per message that may be sent now.
    pub window: Semaphore,
}

#[derive(Default)]
struct Counts {
    /// The numbers of the messages in the order of the first reader, each with the number of readers that have it.
    order: Vec<(usize, usize)>,
    /// Messages that all readers have.
    complete: usize,
    /// The message number and time of each delivery since the last `take_arrivals`.
    arrivals: Vec<(usize, Instant)>,
}

impl Tally {
    fn record(&self, position: usize, number: usize) {
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

    /// Waits until every reader has `sent` messages in total. Panics if one is missing or comes twice.
    pub async fn wait_for_complete(&self, sent: usize) {
        if self.readers == 0 {
            return;
        }
        let complete = || self.counts.lock().expect("the counts").complete;
        eventually(&format!("{sent} messages have reached all readers"), async || complete() >= sent).await;
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

    /// Takes the message number and time of each delivery since the last call.
    pub fn take_arrivals(&self) -> Vec<(usize, Instant)> {
        std::mem::take(&mut self.counts.lock().expect("the counts").arrivals)
    }
}
