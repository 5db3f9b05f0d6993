//! Trials in which the connections of readers are cut all the time while users send, edit, delete and react, and the owner
//! moderates. Every reader must receive each event of every kind once, in order, up to the end of the room.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::client::{Client, RoomKey, User, text};
use super::eventually;
use super::owner::{OwnedRoom, react};
use super::proxy::{connect_limited, reset_when_dropped};
use super::rotation::Rotation;
use super::subscriber::{ROOM_EVENTS, Received};
use super::transport::{Reader, Resume, Transport};

/// The last text of each room.
pub const THE_END: &str = "the end";

/// The emoji of reactions.
const EMOJI: [&str; 3] = ["👍", "🎉", "❤️"];

/// The parameters of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Seed of every random choice. It does not determine the timing.
    pub seed: u64,
    pub rooms: usize,
    /// Readers of each room over each transport.
    pub readers: usize,
    /// Users of each room.
    pub users: usize,
    /// The longest pause of a user between two actions.
    pub pause: Duration,
    /// The number of cuts over all transports, the same for each.
    pub cuts: usize,
    /// The least number of events in all rooms.
    pub events: usize,
}

/// The result of a trial.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cuts, in the order of [`Transport::ALL`].
    pub cuts: [usize; 3],
    /// The cuts that were made after a number of bytes.
    pub cuts_after_bytes: usize,
    pub readers: usize,
    /// Events of all rooms.
    pub events: usize,
    /// Events of each kind.
    pub kinds: BTreeMap<String, usize>,
    /// Events received by all readers together.
    pub deliveries: usize,
    pub faults: Faults,
}

/// Violations of the delivery guarantee.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Events that a reader never received.
    pub gaps: usize,
    /// Events that a reader received more than once.
    pub repeats: usize,
    /// Readers whose events differ from the log of the room.
    pub wrong_lists: usize,
    /// Readers whose messages differ from those of the room at the end.
    pub wrong_rooms: usize,
    /// Readers that did not get the end of the room and completion.
    pub wrong_ends: usize,
    /// Connections that ended without being cut.
    pub losses: usize,
}

impl Trial {
    /// Runs the trial on servers that share their rooms.
    pub async fn run(self, addresses: &[String]) -> Outcome {
        let rotation = Rotation::of(addresses.iter().cloned());
        self.run_during(&rotation, |_| std::future::ready(())).await.0
    }

    /// Runs the trial while `disturb` disturbs the servers, until its token is cancelled. From then on, no server is disturbed.
    /// Returns the result of `disturb`, too.
    pub async fn run_during<D: Future<Output: Send + 'static> + Send + 'static>(
        self,
        rotation: &Arc<Rotation>,
        disturb: impl FnOnce(CancellationToken) -> D,
    ) -> (Outcome, D::Output) {
        let shares = [0, 1, 2].map(|n| (self.cuts + n) / 3);
        let count = Arc::new(Count { left: shares.map(AtomicUsize::new), ..Count::default() });
        let stop = CancellationToken::new();
        let mut seeds = StdRng::seed_from_u64(self.seed);
        let mut rooms = Vec::new();
        for number in 0..self.rooms {
            let owned = OwnedRoom::create(&Client::at(rotation.address(number))).await;
            let (room, start) = (owned.key.clone(), owned.start.clone());
            let mut task = || Task {
                rng: StdRng::seed_from_u64(seeds.random()),
                rotation: Arc::clone(rotation),
                room: room.clone(),
                pause: self.pause,
                count: Arc::clone(&count),
                stop: stop.clone(),
            };
            let mut users: Vec<_> = (0..self.users).map(|_| tokio::spawn(write(task()))).collect();
            users.push(tokio::spawn(moderate(task(), owned.clone())));
            let transports = Transport::ALL.into_iter().flat_map(|transport| vec![transport; self.readers]);
            let readers: Vec<_> =
                transports.map(|transport| tokio::spawn(read(task(), transport, start.clone()))).collect();
            rooms.push((owned, users, readers));
        }
        let disturbance = tokio::spawn(disturb(stop.clone()));
        while count.made() < self.cuts || count.accepted.load(Ordering::Relaxed) < self.events {
            let failed = rooms.iter().any(|(_, users, readers)| {
                users.iter().any(|user| user.is_finished()) || readers.iter().any(|reader| reader.is_finished())
            });
            if failed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        let disturbed = disturbance.await.expect("a disturbance that did not fail");
        let mut outcome = Outcome::default();
        for (owned, users, readers) in rooms {
            let OwnedRoom { key: room, start, .. } = &owned;
            let mut accepted = Vec::new();
            for user in users {
                accepted.extend(user.await.expect("a user that did not fail"));
            }
            let client = Client::at(rotation.address(0));
            let mut last = User::of(client.clone());
            last.send(room, THE_END).await;
            accepted.extend(last.cursor);
            let log = whole_log(rotation.address(0), room, start.clone()).await;
            let kept: Vec<_> = log.iter().map(|entry| entry.cursor.clone()).collect();
            outcome.faults.compare(&accepted, &kept);
            let texts = client.texts(room).await;
            count.wait_for_readers_at_the_end(room, readers.len()).await;
            owned.end().await;
            for reader in readers {
                let read = reader.await.expect("a reader that did not fail");
                let cursors: Vec<_> = read.entries.iter().map(|entry| entry.cursor.clone()).collect();
                outcome.faults.compare(&kept, &cursors);
                outcome.faults.wrong_lists += usize::from(read.entries != log);
                outcome.faults.wrong_rooms += usize::from(!read.texts.values().eq(&texts));
                outcome.faults.wrong_ends += usize::from(!read.has_ended);
                outcome.readers += 1;
                outcome.deliveries += read.entries.len();
            }
            outcome.events += log.len();
            for entry in log {
                *outcome.kinds.entry(entry.kind).or_default() += 1;
            }
        }
        outcome.cuts = [0, 1, 2].map(|n| count.made[n].load(Ordering::Relaxed));
        outcome.cuts_after_bytes = count.after_bytes.load(Ordering::Relaxed);
        outcome.faults.losses = count.losses.load(Ordering::Relaxed);
        (outcome, disturbed)
    }
}

impl Faults {
    /// Counts the missing and the repeated cursors among those received.
    pub fn compare(&mut self, expected: &[String], received: &[String]) {
        let distinct: HashSet<_> = received.iter().collect();
        self.gaps += expected.iter().filter(|cursor| !distinct.contains(cursor)).count();
        self.repeats += received.len() - distinct.len();
    }
}

/// The cuts still to be made and those made so far, by transport.
#[derive(Default)]
struct Count {
    left: [AtomicUsize; 3],
    made: [AtomicUsize; 3],
    after_bytes: AtomicUsize,
    losses: AtomicUsize,
    /// Accepted actions that have an event of their own.
    accepted: AtomicUsize,
    /// Readers that have received the last message, by room.
    at_the_end: Mutex<HashMap<String, usize>>,
}

impl Count {
    fn made(&self) -> usize {
        self.made.iter().map(|made| made.load(Ordering::Relaxed)).sum()
    }

    /// Waits until this many readers of a room have received the last message.
    async fn wait_for_readers_at_the_end(&self, room: &RoomKey, readers: usize) {
        eventually("all readers have the last message", async || {
            self.at_the_end.lock().expect("the counts").get(&room.id).is_some_and(|count| *count == readers)
        })
        .await;
    }
}

/// The context of a user or a reader.
struct Task {
    rng: StdRng,
    rotation: Arc<Rotation>,
    room: RoomKey,
    /// The longest pause between two actions.
    pause: Duration,
    count: Arc<Count>,
    stop: CancellationToken,
}

impl Task {
    fn any_address(&mut self) -> String {
        self.rotation.address(self.rotation.choose(&mut self.rng)).to_owned()
    }

    /// A client of each server.
    fn clients(&self) -> Vec<Client> {
        self.rotation.addresses().map(Client::at).collect()
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause.mul_f64(self.rng.random_range(0.0..1.0))).await;
    }
}

/// Sends, edits, deletes and reacts until `stop`, each time on a random server. Returns the cursors of the accepted actions that
/// have an event of their own.
async fn write(mut task: Task) -> Vec<String> {
    let clients = task.clients();
    let mut user = User::with_own_token(clients[0].clone());
    let (mut own, mut accepted) = (Vec::new(), Vec::new());
    while !task.stop.is_cancelled() {
        user.client = clients[task.rotation.choose(&mut task.rng)].clone();
        // Most texts are short; some need several packets.
        let length = if task.rng.random_ratio(1, 20) { 3_000 } else { task.rng.random_range(1..80) };
        let words = "ü".repeat(length);
        match (task.rng.random_range(0..13), own.len()) {
            (10.., 1..) => {
                let (message, emoji): (&String, _) = (own.choose(&mut task.rng).expect("a message"), EMOJI);
                let emoji = emoji.choose(&mut task.rng).expect("an emoji");
                react(&mut user, &task.room, message, emoji, task.rng.random_ratio(2, 3)).await;
                continue;
            }
            (6..9, 1..) => {
                let chosen: &String = own.choose(&mut task.rng).expect("a message");
                user.edit(&task.room, chosen, &words).await;
            }
            (9, 1..) => {
                let chosen: String = own.swap_remove(task.rng.random_range(0..own.len()));
                user.delete(&task.room, &chosen).await;
            }
            _ => own.push(text(&user.send(&task.room, &words).await["id"])),
        }
        accepted.push(user.cursor.clone().expect("the cursor of an accepted action"));
        task.count.accepted.fetch_add(1, Ordering::Relaxed);
        task.rest().await;
    }
    accepted
}

/// Changes settings, bans and unbans a user, and removes its messages until `stop`. Returns the cursors of the accepted actions.
async fn moderate(mut task: Task, mut room: OwnedRoom) -> Vec<String> {
    let clients = task.clients();
    // At an address of its own, because a ban covers the address.
    let address = std::net::Ipv4Addr::new(127, 0, 0, 9).into();
    let own = |client: &Client| Client::from_address(client.url().to_owned(), address);
    let own: Vec<_> = clients.iter().map(own).collect();
    let mut target = User::with_own_token(own[0].clone());
    let mut accepted = Vec::new();
    while !task.stop.is_cancelled() {
        let server = task.rotation.choose(&mut task.rng);
        target.client = own[server].clone();
        let message = text(&target.send(&task.room, "to be removed").await["id"]);
        accepted.extend(target.cursor.clone());
        let title = format!("title {}", accepted.len());
        for (name, input) in [
            ("updateRoom", json!({ "title": title })),
            ("banUser", json!({ "userId": target.id, "reason": title })),
            ("removeMessage", json!({ "messageId": message })),
            ("unbanUser", json!({ "userId": target.id })),
        ] {
            room.client = clients[task.rotation.choose(&mut task.rng)].clone();
            accepted.push(text(&room.act(name, input, "cursor").await["cursor"]));
            task.count.accepted.fetch_add(1, Ordering::Relaxed);
        }
        task.rest().await;
    }
    accepted
}

/// When a connection is cut.
#[derive(Clone, Copy)]
enum Cut {
    /// After this time.
    After(Duration),
    /// After this many events.
    AfterEvents(usize),
    /// After this many bytes from the server.
    AfterBytes(u64),
}

impl Cut {
    fn random(rng: &mut StdRng) -> Self {
        match rng.random_range(0..3) {
            0 => Self::After(Duration::from_millis(rng.random_range(0..100))),
            1 => Self::AfterEvents(rng.random_range(1..30)),
            _ => Self::AfterBytes(rng.random_range(1..12_000)),
        }
    }
}

/// An entry of a room's log.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub cursor: String,
    kind: String,
    message: Option<String>,
    index: Option<u64>,
}

impl Entry {
    fn of(event: &Value) -> Self {
        let message = &event["message"];
        let (id, index) = (message["id"].as_str().map(str::to_owned), message["index"].as_u64());
        Self { cursor: text(&event["cursor"]), kind: text(&event["__typename"]), message: id, index }
    }
}

/// The events that a reader has received, and the texts of the messages according to them.
#[derive(Default)]
pub struct Read {
    pub entries: Vec<Entry>,
    pub texts: BTreeMap<u64, Option<String>>,
    /// Whether the end of the room was received, and completion.
    pub has_ended: bool,
}

impl Read {
    /// Applies an event. Returns whether it is the last one.
    pub fn apply(&mut self, event: &Value) -> bool {
        let (entry, message) = (Entry::of(event), &event["message"]);
        if let Some(index) = entry.index {
            self.texts.insert(index, message["text"].as_str().map(str::to_owned));
        }
        self.entries.push(entry);
        event["message"]["text"] == THE_END
    }
}

/// How a connection ended.
enum Ended {
    Cut,
    Lost,
    /// The last event was received.
    Done,
}

/// Reads from `start` to the last event, over as many connections as needed, each to a random server.
async fn read(mut task: Task, transport: Transport, start: String) -> Read {
    let (mut read, count) = (Read::default(), Arc::clone(&task.count));
    loop {
        let (left, made) = (&count.left[transport as usize], &count.made[transport as usize]);
        let granted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let cut = granted.then(|| Cut::random(&mut task.rng));
        let address = task.any_address();
        let connection = match cut {
            Some(Cut::AfterBytes(bytes)) => connect_limited(&address, bytes).await,
            _ => TcpStream::connect(&address).await,
        };
        // A server that is being restarted may have been chosen a moment before.
        let Ok(connection) = connection else {
            count.losses.fetch_add(1, Ordering::Relaxed);
            made.fetch_add(usize::from(granted), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        reset_when_dropped(&connection).expect("a connection of our own");
        let resume = if task.rng.random() { Resume::Argument } else { Resume::Connection };
        let after = read.entries.last().map_or(&start, |entry| &entry.cursor).clone();
        let reading = read_over(connection, &mut read, transport, &task.room, after, resume, cut);
        let ended = match cut {
            Some(Cut::After(time)) => tokio::time::timeout(time, reading).await.unwrap_or(Ended::Cut),
            _ => reading.await,
        };
        match (ended, cut) {
            (Ended::Done, _) => {
                read.has_ended = read_end(&address, &read, transport, &task.room, &count).await;
                return read;
            }
            (Ended::Cut, _) => {}
            (Ended::Lost, Some(Cut::AfterBytes(_))) => {
                count.after_bytes.fetch_add(1, Ordering::Relaxed);
            }
            (Ended::Lost, _) => {
                count.losses.fetch_add(1, Ordering::Relaxed);
            }
        }
        if granted {
            made.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Continues reading over this connection, which ends with the call.
async fn read_over(
    connection: TcpStream,
    read: &mut Read,
    transport: Transport,
    room: &RoomKey,
    after: String,
    resume: Resume,
    cut: Option<Cut>,
) -> Ended {
    let opened = Reader::with(connection, transport, ROOM_EVENTS, room, Some(after), resume).await;
    let Ok(mut reader) = opened else { return Ended::Lost };
    let mut received = 0;
    loop {
        match reader.next().await {
            Received::Event(event) => {
                if read.apply(&event) {
                    return Ended::Done;
                }
                received += 1;
                if matches!(cut, Some(Cut::AfterEvents(events)) if received >= events) {
                    return Ended::Cut;
                }
            }
            Received::Closed(_) => return Ended::Lost,
            other => panic!("an event was expected over {transport:?}, not {other:?}"),
        }
    }
}

/// Whether the end of a room is all that follows the last event, and completion follows it.
async fn read_end(address: &str, read: &Read, transport: Transport, room: &RoomKey, count: &Count) -> bool {
    let connection = TcpStream::connect(address).await.expect("a server that listens");
    let after = read.entries.last().map(|entry| entry.cursor.clone());
    let opened = Reader::with(connection, transport, ROOM_EVENTS, room, after, Resume::Argument).await;
    let Ok(mut reader) = opened else { return false };
    *count.at_the_end.lock().expect("the counts").entry(room.id.clone()).or_default() += 1;
    let last = reader.event().await;
    let is_complete = matches!(reader.next().await, Received::Complete | Received::Closed(_));
    last["__typename"] == "RoomEnded" && is_complete
}

/// Reads the whole log of a room over one connection.
pub async fn whole_log(address: &str, room: &RoomKey, start: String) -> Vec<Entry> {
    let connection = TcpStream::connect(address).await.expect("a server that listens");
    let mut read = Read::default();
    read_over(connection, &mut read, Transport::WebSocket, room, start, Resume::Argument, None).await;
    read.entries
}
