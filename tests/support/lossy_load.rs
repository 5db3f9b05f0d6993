//! Rooms that live through faults in which Redis itself may lose its last writes: who sent what and when it was
//! acknowledged, who read what, and at the end the proof that only those writes are missing and that every reader had each
//! event once, in order. Where nothing at all may be lost, a `crowd` does more: it edits and deletes, too.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::{Client, RoomKey, User, error_code, text};
use super::cuts::THE_END;
use super::eventually;
use super::redis_cluster::{SLOTS, slot_of};
use super::rest::RestUser;
use super::subscriber::Said;
use super::transport::{Reader, Resume, Transport};

/// A sender rests for so long between two messages, and everybody before trying again.
const PAUSE: Duration = Duration::from_millis(20);

/// Rooms on several shards, written and read through several servers.
pub struct Witnesses {
    rooms: Vec<Watched>,
    stop: CancellationToken,
}

struct Watched {
    address: String,
    room: RoomKey,
    start: String,
    accepted: Arc<AtomicUsize>,
    senders: JoinSet<Told>,
    readers: JoinSet<Heard>,
}

/// What a sender was told.
#[derive(Default)]
struct Told {
    accepted: Vec<Accepted>,
    /// What may or may not be there.
    doubtful: Vec<String>,
    /// When tokens were given that were refused later.
    refused: Vec<Instant>,
}

struct Accepted {
    text: String,
    at: Instant,
}

/// An event: its cursor, which tells it from all others, and the text.
type Entry = (String, String);

/// What a reader was told, anew each time that its cursor was not valid any more.
type Heard = Vec<Vec<Entry>>;

/// What became of all rooms.
#[derive(Debug, Default)]
pub struct Outcome {
    pub accepted: usize,
    /// Those of them that Redis lost.
    pub lost: usize,
    /// How often a reader had to read anew, having read what was lost.
    pub read_anew: usize,
}

impl Witnesses {
    /// One room on each of so many shards that share the slots evenly. On every server a user of GraphQL and one of the
    /// legacy routes send, and readers listen over WebSocket and over server-sent events.
    pub async fn start(addresses: &[String], shards: usize) -> Self {
        Self::start_with(addresses, shards, false).await
    }

    /// As [`start`](Self::start), with users who are stored on the shard of their room. Other shards do not matter to them.
    pub async fn start_with_local_users(addresses: &[String], shards: usize) -> Self {
        Self::start_with(addresses, shards, true).await
    }

    async fn start_with(addresses: &[String], shards: usize, has_local_users: bool) -> Self {
        let stop = CancellationToken::new();
        let mut rooms = Vec::new();
        for shard in 0..shards {
            let client = client_of(&addresses[0]);
            let room = room_on(&client, shard, shards).await;
            let start = client.cursor(&room).await;
            let accepted = Arc::<AtomicUsize>::default();
            let (mut senders, mut readers) = (JoinSet::new(), JoinSet::new());
            for (server, address) in addresses.iter().enumerate() {
                for rest in [false, true] {
                    let sender = Sender {
                        name: format!("{} of server {server}", if rest { "legacy" } else { "sender" }),
                        address: address.clone(),
                        room: room.clone(),
                        users_on: has_local_users.then_some((shard, shards)),
                        accepted: Arc::clone(&accepted),
                        told: Told::default(),
                    };
                    let stop = stop.clone();
                    senders
                        .spawn(async move { if rest { sender.rest(stop).await } else { sender.graphql(stop).await } });
                }
                for transport in [Transport::WebSocket, Transport::ServerSentEvents] {
                    readers.spawn(read(address.clone(), room.clone(), start.clone(), transport));
                }
            }
            rooms.push(Watched { address: addresses[0].clone(), room, start, accepted, senders, readers });
        }
        let witnesses = Self { rooms, stop };
        witnesses.accept_everywhere(20).await;
        witnesses
    }

    /// A room, by the number of its shard.
    pub fn room(&self, shard: usize) -> &RoomKey {
        &self.rooms[shard].room
    }

    /// The slot of a room.
    pub fn slot(&self, shard: usize) -> u16 {
        slot_of(&self.room(shard).id)
    }

    /// Waits until so many more messages are accepted in a room.
    pub async fn accept(&self, shard: usize, more: usize) {
        let accepted = || self.rooms[shard].accepted.load(Ordering::Relaxed);
        let enough = accepted() + more;
        eventually(&format!("enough is accepted on shard {shard}"), async || accepted() >= enough).await;
    }

    /// Waits until so many more messages are accepted in each room.
    pub async fn accept_everywhere(&self, more: usize) {
        for shard in 0..self.rooms.len() {
            self.accept(shard, more).await;
        }
    }

    /// Ends all senders once what they were doing is accepted, and all readers with the last event. What was acknowledged
    /// must be there, unless that was within one of these times, in which Redis may have lost it.
    pub async fn settle_and_check(self, lossy: &[RangeInclusive<Instant>]) -> Outcome {
        self.accept_everywhere(20).await;
        self.stop.cancel();
        let mut outcome = Outcome::default();
        for room in self.rooms {
            room.check(lossy, &mut outcome).await;
        }
        println!("{outcome:?}");
        outcome
    }
}

impl Watched {
    async fn check(mut self, lossy: &[RangeInclusive<Instant>], outcome: &mut Outcome) {
        let is_lossy = |at: &Instant| lossy.iter().any(|times| times.contains(at));
        let (mut accepted, mut doubtful) = (HashMap::new(), HashSet::from([THE_END.to_owned()]));
        while let Some(told) = self.senders.join_next().await {
            let told = told.expect("a sender who did not fail");
            assert!(
                told.refused.iter().all(is_lossy),
                "a token was refused that Redis cannot have lost: {:?} of {lossy:?}",
                told.refused
            );
            accepted.extend(told.accepted.into_iter().map(|accepted| (accepted.text, accepted.at)));
            doubtful.extend(told.doubtful);
        }
        User::of(client_of(&self.address)).send(&self.room, THE_END).await;
        let log = read(self.address, self.room, self.start, Transport::WebSocket).await;
        let [log] = &log[..] else { panic!("the log of a room is read at once") };
        let held: HashSet<_> = log.iter().map(|(_, text)| text).collect();
        assert_eq!(held.len(), log.len(), "a message is there twice: {log:?}");
        for text in held.iter().filter(|text| !accepted.contains_key(**text)) {
            assert!(doubtful.contains(*text), "nobody sent {text}");
        }
        outcome.accepted += accepted.len();
        let lost: HashMap<_, _> = accepted.iter().filter(|(text, _)| !held.contains(text)).collect();
        for (text, at) in &lost {
            assert!(is_lossy(at), "{text:?}, acknowledged {:?} ago, is missing", at.elapsed());
        }
        outcome.lost += lost.len();
        while let Some(heard) = self.readers.join_next().await {
            let mut heard = heard.expect("a reader who did not fail");
            assert_eq!(heard.pop().as_ref(), Some(log), "a reader has each event once, in order");
            outcome.read_anew += heard.len();
            for heard in heard {
                let common = heard.iter().zip(log).take_while(|(heard, held)| heard == held).count();
                assert!(common < heard.len(), "a reader was refused a cursor that is valid");
                for (_, text) in &heard[common..] {
                    assert!(
                        lost.contains_key(text) || doubtful.contains(text),
                        "a reader had {text:?} in another place than it is"
                    );
                }
            }
        }
    }
}

/// A new room on one of so many shards that share the slots evenly.
pub async fn room_on(client: &Client, shard: usize, shards: usize) -> RoomKey {
    loop {
        let room = client.create_room().await;
        if usize::from(slot_of(&room.id)) * shards / usize::from(SLOTS) == shard {
            return room;
        }
    }
}

fn client_of(address: &str) -> Client {
    Client::of(format!("http://{address}/graphql"))
}

struct Sender {
    name: String,
    /// The shard of its users, of so many shards, if that matters.
    users_on: Option<(usize, usize)>,
    address: String,
    room: RoomKey,
    accepted: Arc<AtomicUsize>,
    told: Told,
}

impl Sender {
    /// A random id of a user.
    fn user_id(&self) -> String {
        loop {
            let id = format!("{:032x}", rand::random::<u128>());
            let slot = usize::from(slot_of(&hex::encode(Sha256::digest(&id))));
            if self.users_on.is_none_or(|(shard, shards)| slot * shards / usize::from(SLOTS) == shard) {
                return id;
            }
        }
    }

    /// A user of GraphQL, who repeats each message until it is accepted.
    async fn graphql(mut self, stop: CancellationToken) -> Told {
        let client = client_of(&self.address);
        let mut user = User { id: Some(self.user_id()), ..User::with_own_token(client.clone()) };
        let mut token_given = Instant::now();
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let text = format!("{}, {n}", self.name);
            let mut in_doubt = false;
            loop {
                let code = match user.try_send_once(&self.room, &text, Some(&text)).await {
                    Ok(answer) if answer.get("errors").is_none() => {
                        self.accept(text);
                        token_given = Instant::now();
                        break;
                    }
                    Ok(answer) => error_code(&answer),
                    Err(error) => panic!("a server that stays does not answer: {error}"),
                };
                match code.as_str() {
                    "UNAVAILABLE" => in_doubt = true,
                    // Redis lost the last token or the user.
                    "TOKEN_INVALID" | "USER_UNKNOWN" => {
                        self.told.refused.push(token_given);
                        user = User { id: Some(self.user_id()), ..User::with_own_token(client.clone()) };
                        token_given = Instant::now();
                        if in_doubt {
                            self.told.doubtful.push(text);
                            break;
                        }
                    }
                    code => panic!("a send was answered with {code}"),
                }
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.told
    }

    /// Users of the legacy routes, who have no way to repeat what is in doubt: each message is by somebody else.
    async fn rest(mut self, stop: CancellationToken) -> Told {
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let text = format!("{}, {n}", self.name);
            let mut user = RestUser::of(&self.address, self.user_id());
            let answer = user.try_send(&self.room, &text).await.expect("an answer of a server that stays");
            match answer["status_code"].as_u64() {
                Some(200) => self.accept(text),
                Some(503) => self.told.doubtful.push(text),
                _ => panic!("a send was answered with {answer}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.told
    }

    fn accept(&mut self, text: String) {
        self.told.accepted.push(Accepted { text, at: Instant::now() });
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads from `start` to the last event, and anew from there when what it has read is lost.
async fn read(address: String, room: RoomKey, start: String, transport: Transport) -> Heard {
    let mut heard: Heard = vec![Vec::new()];
    loop {
        let entries = heard.last_mut().expect("a beginning");
        let after = entries.last().map_or(&start, |(cursor, _)| cursor).clone();
        let line = TcpStream::connect(&address).await.expect("a server that stays");
        match Reader::over(line, transport, &room, Some(after), Resume::Argument).await {
            Err(refusal) if refusal.to_string().contains("\"CURSOR_INVALID\"") => heard.push(Vec::new()),
            Err(_) => {}
            Ok(mut reader) => loop {
                match reader.next().await {
                    Said::Event(event) => {
                        entries.push((text(&event["cursor"]), text(&event["message"]["text"])));
                        if event["message"]["text"] == THE_END {
                            return heard;
                        }
                    }
                    Said::Error(error) if error.to_string().contains("\"CURSOR_INVALID\"") => {
                        heard.push(Vec::new());
                        break;
                    }
                    Said::Error(error) => {
                        assert!(error.to_string().contains("\"UNAVAILABLE\""), "{transport:?} was told {error}");
                        break;
                    }
                    other => panic!("a reader over {transport:?} was told {other:?} by a server that stays"),
                }
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}
