//! Load on rooms of several shards during faults in which Redis may lose its last writes. At the end, checks that only those writes
//! are missing, and that every reader received each event once, in order. `crowd` is for faults that lose nothing; it also edits and
//! deletes.

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
use super::subscriber::Received;
use super::transport::{Reader, Resume, Transport};

/// Pause between two messages of a sender, and before a retry.
const PAUSE: Duration = Duration::from_millis(20);

/// Senders and readers of one room per shard, on several servers.
pub struct LossyLoad {
    rooms: Vec<RoomLoad>,
    stop: CancellationToken,
}

struct RoomLoad {
    address: String,
    room: RoomKey,
    start: String,
    accepted: Arc<AtomicUsize>,
    senders: JoinSet<Sent>,
    readers: JoinSet<Read>,
}

/// The messages of a sender, by their outcome.
#[derive(Default)]
struct Sent {
    accepted: Vec<Accepted>,
    /// Texts of unknown outcome.
    unconfirmed: Vec<String>,
    /// When tokens were issued that were refused later.
    refused_tokens: Vec<Instant>,
}

struct Accepted {
    text: String,
    at: Instant,
}

/// The cursor of an event, which is unique, and its text.
type Entry = (String, String);

/// The events that a reader received: one list for each time that it started over, because its cursor had become invalid.
type Read = Vec<Vec<Entry>>;

/// The result over all rooms.
#[derive(Debug, Default)]
pub struct Outcome {
    pub accepted: usize,
    /// The accepted messages that Redis lost.
    pub lost: usize,
    /// How often a reader started over, because it had received events that were lost.
    pub restarts: usize,
}

impl LossyLoad {
    /// Creates a room on each of `shards` shards, which share the slots evenly. On every server, one user sends over GraphQL and one
    /// over the legacy routes, and readers follow over WebSocket and server-sent events.
    pub async fn start(addresses: &[String], shards: usize) -> Self {
        Self::start_with(addresses, shards, false).await
    }

    /// Like [`start`](Self::start), with users that are stored on the shard of their room, so that they need no other shard.
    pub async fn start_with_local_users(addresses: &[String], shards: usize) -> Self {
        Self::start_with(addresses, shards, true).await
    }

    async fn start_with(addresses: &[String], shards: usize, has_local_users: bool) -> Self {
        let stop = CancellationToken::new();
        let mut rooms = Vec::new();
        for shard in 0..shards {
            let client = Client::at(&addresses[0]);
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
                        sent: Sent::default(),
                    };
                    let stop = stop.clone();
                    if rest {
                        senders.spawn(sender.send_over_rest(stop));
                    } else {
                        senders.spawn(sender.send_over_graphql(stop));
                    }
                }
                for transport in [Transport::WebSocket, Transport::ServerSentEvents] {
                    readers.spawn(read(address.clone(), room.clone(), start.clone(), transport));
                }
            }
            rooms.push(RoomLoad { address: addresses[0].clone(), room, start, accepted, senders, readers });
        }
        let load = Self { rooms, stop };
        load.wait_for_accepted_everywhere(20).await;
        load
    }

    /// The room on this shard.
    pub fn room(&self, shard: usize) -> &RoomKey {
        &self.rooms[shard].room
    }

    /// The slot of the room on this shard.
    pub fn slot(&self, shard: usize) -> u16 {
        slot_of(&self.room(shard).id)
    }

    /// Waits until `more` further messages are accepted on this shard.
    pub async fn wait_for_accepted(&self, shard: usize, more: usize) {
        let accepted = || self.rooms[shard].accepted.load(Ordering::Relaxed);
        let enough = accepted() + more;
        eventually(&format!("enough messages are accepted on shard {shard}"), async || accepted() >= enough).await;
    }

    /// Waits until `more` further messages are accepted on each shard.
    pub async fn wait_for_accepted_everywhere(&self, more: usize) {
        for shard in 0..self.rooms.len() {
            self.wait_for_accepted(shard, more).await;
        }
    }

    /// Stops the senders after their current message and the readers after the last event. Panics if an acknowledged message is
    /// missing, unless it was acknowledged in one of the periods in which Redis may have lost writes.
    pub async fn settle_and_check(self, lossy: &[RangeInclusive<Instant>]) -> Outcome {
        self.wait_for_accepted_everywhere(20).await;
        self.stop.cancel();
        let mut outcome = Outcome::default();
        for room in self.rooms {
            room.check(lossy, &mut outcome).await;
        }
        println!("{outcome:?}");
        outcome
    }
}

impl RoomLoad {
    async fn check(mut self, lossy: &[RangeInclusive<Instant>], outcome: &mut Outcome) {
        let is_lossy = |at: &Instant| lossy.iter().any(|period| period.contains(at));
        let (mut accepted, mut unconfirmed) = (HashMap::new(), HashSet::from([THE_END.to_owned()]));
        while let Some(sent) = self.senders.join_next().await {
            let sent = sent.expect("a sender that did not fail");
            assert!(
                sent.refused_tokens.iter().all(is_lossy),
                "a token was refused that Redis cannot have lost: {:?} of {lossy:?}",
                sent.refused_tokens
            );
            accepted.extend(sent.accepted.into_iter().map(|accepted| (accepted.text, accepted.at)));
            unconfirmed.extend(sent.unconfirmed);
        }
        User::of(Client::at(&self.address)).send(&self.room, THE_END).await;
        let log = read(self.address, self.room, self.start, Transport::WebSocket).await;
        let [log] = &log[..] else { panic!("the cursor at the start of a room became invalid") };
        let stored: HashSet<_> = log.iter().map(|(_, text)| text).collect();
        assert_eq!(stored.len(), log.len(), "a message is stored twice: {log:?}");
        for text in stored.iter().filter(|text| !accepted.contains_key(**text)) {
            assert!(unconfirmed.contains(*text), "{text:?} was never sent");
        }
        outcome.accepted += accepted.len();
        let lost: HashMap<_, _> = accepted.iter().filter(|(text, _)| !stored.contains(text)).collect();
        for (text, at) in &lost {
            assert!(is_lossy(at), "{text:?}, acknowledged {:?} ago, is missing", at.elapsed());
        }
        outcome.lost += lost.len();
        while let Some(read) = self.readers.join_next().await {
            let mut read = read.expect("a reader that did not fail");
            assert_eq!(read.pop().as_ref(), Some(log), "a reader receives each event once, in order");
            outcome.restarts += read.len();
            for entries in read {
                let common = entries.iter().zip(log).take_while(|(received, stored)| received == stored).count();
                assert!(common < entries.len(), "a valid cursor of a reader was refused");
                for (_, text) in &entries[common..] {
                    let may_be_lost = lost.contains_key(text) || unconfirmed.contains(text);
                    assert!(may_be_lost, "a reader received {text:?} in another place than the log has it");
                }
            }
        }
    }
}

/// Creates a room on one of `shards` shards, which share the slots evenly.
pub async fn room_on(client: &Client, shard: usize, shards: usize) -> RoomKey {
    loop {
        let room = client.create_room().await;
        if usize::from(slot_of(&room.id)) * shards / usize::from(SLOTS) == shard {
            return room;
        }
    }
}

struct Sender {
    name: String,
    /// The shard on which its users must be stored, and the number of shards.
    users_on: Option<(usize, usize)>,
    address: String,
    room: RoomKey,
    accepted: Arc<AtomicUsize>,
    sent: Sent,
}

impl Sender {
    /// A random user id.
    fn user_id(&self) -> String {
        loop {
            let id = format!("{:032x}", rand::random::<u128>());
            let slot = usize::from(slot_of(&hex::encode(Sha256::digest(&id))));
            if self.users_on.is_none_or(|(shard, shards)| slot * shards / usize::from(SLOTS) == shard) {
                return id;
            }
        }
    }

    /// Sends over GraphQL, and repeats each message until it is accepted.
    async fn send_over_graphql(mut self, stop: CancellationToken) -> Sent {
        let client = Client::at(&self.address);
        let mut user = User { id: Some(self.user_id()), ..User::with_own_token(client.clone()) };
        let mut token_issued = Instant::now();
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let text = format!("{}, {n}", self.name);
            let mut is_unconfirmed = false;
            loop {
                let code = match user.try_send_once(&self.room, &text, Some(&text)).await {
                    Ok(response) if response.get("errors").is_none() => {
                        self.record_accepted(text);
                        token_issued = Instant::now();
                        break;
                    }
                    Ok(response) => error_code(&response),
                    Err(error) => panic!("a running server did not respond: {error}"),
                };
                match code.as_str() {
                    "UNAVAILABLE" => is_unconfirmed = true,
                    // Redis lost the last token or the user.
                    "TOKEN_INVALID" | "USER_UNKNOWN" => {
                        self.sent.refused_tokens.push(token_issued);
                        user = User { id: Some(self.user_id()), ..User::with_own_token(client.clone()) };
                        token_issued = Instant::now();
                        if is_unconfirmed {
                            self.sent.unconfirmed.push(text);
                            break;
                        }
                    }
                    code => panic!("a send failed with {code}"),
                }
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.sent
    }

    /// Sends over the legacy routes, on which a message of unknown outcome cannot be repeated. Each message has another user.
    async fn send_over_rest(mut self, stop: CancellationToken) -> Sent {
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let text = format!("{}, {n}", self.name);
            let mut user = RestUser::of(&self.address, self.user_id());
            let response = user.try_send(&self.room, &text).await.expect("a response of a running server");
            match response["status_code"].as_u64() {
                Some(200) => self.record_accepted(text),
                Some(503) => self.sent.unconfirmed.push(text),
                _ => panic!("a send failed: {response}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.sent
    }

    fn record_accepted(&mut self, text: String) {
        self.sent.accepted.push(Accepted { text, at: Instant::now() });
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads from `start` to the last event. Starts over when events that it has received are lost.
async fn read(address: String, room: RoomKey, start: String, transport: Transport) -> Read {
    let mut read: Read = vec![Vec::new()];
    loop {
        let entries = read.last_mut().expect("at least one list");
        let after = entries.last().map_or(&start, |(cursor, _)| cursor).clone();
        let connection = TcpStream::connect(&address).await.expect("a running server");
        match Reader::over(connection, transport, &room, Some(after), Resume::Argument).await {
            Err(refusal) if refusal.to_string().contains("\"CURSOR_INVALID\"") => read.push(Vec::new()),
            Err(_) => {}
            Ok(mut reader) => loop {
                match reader.next().await {
                    Received::Event(event) => {
                        entries.push((text(&event["cursor"]), text(&event["message"]["text"])));
                        if event["message"]["text"] == THE_END {
                            return read;
                        }
                    }
                    Received::Error(error) if error.to_string().contains("\"CURSOR_INVALID\"") => {
                        read.push(Vec::new());
                        break;
                    }
                    Received::Error(error) => {
                        assert!(error.to_string().contains("\"UNAVAILABLE\""), "{transport:?} received {error}");
                        break;
                    }
                    other => panic!("a reader over {transport:?} received {other:?} from a running server"),
                }
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}
