//! Fills a room with numbered messages from several users over one connection. Each message is repeated until it is accepted.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pipelined_client::PipelinedClient;
use crate::readers::text;
use crate::support::client::RoomKey;

const SEND: &str = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { token } }";
/// Delay before a refused message is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// The outcome of a send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged at this time.
    Accepted(Instant),
    /// The message may or may not be stored.
    Unknown,
}

/// Users of one room who share a connection. Each write contains one message from every user.
pub struct Filler {
    address: String,
    room: RoomKey,
    users: Vec<User>,
    /// The number of issued tokens that were refused.
    pub refused_tokens: usize,
}

struct User {
    id: String,
    token: String,
    pending: Option<Pending>,
}

#[derive(Clone, Copy)]
struct Pending {
    number: usize,
    in_doubt: bool,
}

impl User {
    fn new() -> Self {
        let random = || format!("{:032x}", rand::random::<u128>());
        Self { id: random(), token: random(), pending: None }
    }
}

impl Filler {
    /// New users of a room.
    pub fn new(address: &str, room: &RoomKey, users: usize) -> Self {
        let users = (0..users).map(|_| User::new()).collect();
        Self { address: address.to_owned(), room: room.clone(), users, refused_tokens: 0 }
    }

    /// Sends the messages with these numbers, in any order. Returns their outcomes in order.
    pub async fn fill(&mut self, numbers: Range<usize>, accepted: &AtomicUsize) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Unknown; numbers.len()];
        let (first, mut left) = (numbers.start, numbers);
        // A new connection each time, because the server closes idle ones.
        let mut client = PipelinedClient::open(&self.address).await;
        loop {
            for user in &mut self.users {
                user.pending = user.pending.or_else(|| Some(Pending { number: left.next()?, in_doubt: false }));
            }
            let mut busy: Vec<_> = self.users.iter_mut().filter(|user| user.pending.is_some()).collect();
            if busy.is_empty() {
                return outcomes;
            }
            let bodies: Vec<_> = busy.iter().filter_map(|user| body(&self.room, user)).collect();
            let mut all_accepted = true;
            for (user, answer) in busy.iter_mut().zip(client.post_all(&bodies).await) {
                let pending = user.pending.as_mut().expect("a pending message");
                if let Some(token) = extract(&answer, "\"token\":\"") {
                    user.token = token.to_owned();
                    outcomes[pending.number - first] = Outcome::Accepted(Instant::now());
                    accepted.fetch_add(1, Ordering::Relaxed);
                    user.pending = None;
                    continue;
                }
                all_accepted = false;
                match extract(&answer, "\"code\":\"") {
                    Some("UNAVAILABLE") => pending.in_doubt = true,
                    // A failover lost the user or the last token.
                    Some("TOKEN_INVALID" | "USER_UNKNOWN") => {
                        self.refused_tokens += 1;
                        let pending = (!pending.in_doubt).then_some(*pending);
                        **user = User { pending, ..User::new() };
                    }
                    _ => panic!("a send was refused: {answer}"),
                }
            }
            if !all_accepted {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn body(room: &RoomKey, user: &User) -> Option<String> {
    let (RoomKey { id, code }, User { id: user, token, pending }) = (room, user);
    let number = pending.as_ref()?.number;
    let text = text(number);
    Some(format!(
        r#"{{"query":"{SEND}","variables":{{"i":{{"roomId":"{id}","roomCode":"{code}","userId":"{user}","token":"{token}","clientMessageId":"{number}","text":"{text}"}}}}}}"#
    ))
}

/// The text between `prefix` and the next quotation mark.
pub fn extract<'a>(answer: &'a str, prefix: &str) -> Option<&'a str> {
    let from = answer.find(prefix)? + prefix.len();
    answer[from..].split('"').next()
}
