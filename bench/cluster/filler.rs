//! Users who fill a room with numbered messages over one line, each repeating what it sends until it is accepted.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::posts::Posts;
use crate::readers::text;
use crate::support::client::RoomKey;

const SEND: &str = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { token } }";
/// Before what was refused is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// When its acknowledgement came.
    Accepted(Instant),
    /// It may or may not be there: nobody knows it who could ask.
    Doubtful,
}

/// Users of one room who share a line. They take turns on it, all of them in one write.
pub struct Filler {
    address: String,
    room: RoomKey,
    users: Vec<User>,
    /// How many tokens were refused that had been given.
    pub refused: usize,
}

struct User {
    id: String,
    token: String,
    sending: Option<Sending>,
}

#[derive(Clone, Copy)]
struct Sending {
    number: usize,
    in_doubt: bool,
}

impl User {
    fn new() -> Self {
        let random = || format!("{:032x}", rand::random::<u128>());
        Self { id: random(), token: random(), sending: None }
    }
}

impl Filler {
    /// So many users, who are new to the server.
    pub fn new(address: &str, room: &RoomKey, users: usize) -> Self {
        let users = (0..users).map(|_| User::new()).collect();
        Self { address: address.to_owned(), room: room.clone(), users, refused: 0 }
    }

    /// Sends the messages with these numbers, in no particular order; what became of them, in the order of their numbers.
    pub async fn fill(&mut self, numbers: Range<usize>, accepted: &AtomicUsize) -> Vec<Fate> {
        let mut fates = vec![Fate::Doubtful; numbers.len()];
        let (first, mut left) = (numbers.start, numbers);
        // A line of its own each time: the server closes one that rests.
        let mut posts = Posts::open(&self.address).await;
        loop {
            for user in &mut self.users {
                user.sending = user.sending.or_else(|| Some(Sending { number: left.next()?, in_doubt: false }));
            }
            let mut busy: Vec<_> = self.users.iter_mut().filter(|user| user.sending.is_some()).collect();
            if busy.is_empty() {
                return fates;
            }
            let bodies: Vec<_> = busy.iter().filter_map(|user| body(&self.room, user)).collect();
            let mut all_accepted = true;
            for (user, answer) in busy.iter_mut().zip(posts.answers(&bodies).await) {
                let sending = user.sending.as_mut().expect("one who sends");
                if let Some(token) = part(&answer, "\"token\":\"") {
                    user.token = token.to_owned();
                    fates[sending.number - first] = Fate::Accepted(Instant::now());
                    accepted.fetch_add(1, Ordering::Relaxed);
                    user.sending = None;
                    continue;
                }
                all_accepted = false;
                match part(&answer, "\"code\":\"") {
                    Some("UNAVAILABLE") => sending.in_doubt = true,
                    // Redis lost the user, or the last token.
                    Some("TOKEN_INVALID" | "USER_UNKNOWN") => {
                        self.refused += 1;
                        let sending = (!sending.in_doubt).then_some(*sending);
                        **user = User { sending, ..User::new() };
                    }
                    _ => panic!("a send was answered with {answer}"),
                }
            }
            if !all_accepted {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn body(room: &RoomKey, user: &User) -> Option<String> {
    let (RoomKey { id, code }, User { id: user, token, sending }) = (room, user);
    let number = sending.as_ref()?.number;
    let text = text(number);
    Some(format!(
        r#"{{"query":"{SEND}","variables":{{"i":{{"roomId":"{id}","roomCode":"{code}","userId":"{user}","token":"{token}","clientMessageId":"{number}","text":"{text}"}}}}}}"#
    ))
}

/// What follows these words, up to the next quotation mark.
pub fn part<'a>(answer: &'a str, words: &str) -> Option<&'a str> {
    let from = answer.find(words)? + words.len();
    answer[from..].split('"').next()
}
