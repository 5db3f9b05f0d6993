//! The store that many processes share: every operation is one script on Redis, and this file calls them.
//!
//! Where Redis is and how it is reached is in `settings`, `certificates`, `primary` and `cluster`, how commands go there in
//! `connection`, how announcements come back in `feed`, what things are called in `keys`, what they look like in `record`. What an operation decides is in its script.

mod certificates;
mod cluster;
mod connection;
mod feed;
mod gathered;
pub mod import;
mod keys;
mod primary;
mod record;
mod refused;
mod rights;
mod settings;
mod slots;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use redis::{Script, ScriptInvocation};
use tracing::warn;

pub use self::certificates::{CertificateFiles, InvalidCertificates};
use self::connection::Commands;
use self::feed::Announcements;
use self::keys::{EVENTS, Keys, LIST_PARTS, list_entry, list_part, room_of_list_entry};
use self::record::Reply;
pub use self::settings::{InvalidSettings, Login, Sentinels, Settings};
use crate::domain::chatter::{Chatter, TokenHash, UserId};
use crate::domain::event::{Event, EventKind, Position};
use crate::domain::page::{Take, Window};
use crate::domain::room::{RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::store::{
    ActiveRooms, Admission, Admitted, Change, ChatterPage, Commit, Committed, Feed, Guess, GuessLimits, Guesser,
    KNOWN_MAX, Lockout, RoomState, Sending, Sent, Snapshot, Store, StoreError, Struck, Subject, Ticket, VIEWERS_KEPT,
    send_in_two_steps,
};
use crate::vital::Vital;

/// What a room consists of. Its scripts are given all of it, to tell a whole room from the rest of one.
const PARTS: [&str; 6] = ["room", "messages", "log", "once", "chatters", "roster"];
/// Calls for many rooms that are under way at a time.
const AT_A_TIME: usize = 64;
/// Rounds in which a page of rooms is filled up when listed rooms turn out to be gone.
const ROUNDS: usize = 4;

/// Keeps rooms in a Redis, version 6.2 or later, or in a Redis Cluster, version 7 or later, that should evict nothing (`maxmemory-policy noeviction`): a room is
/// several keys, and without one of them it is gone.
pub struct RedisStore {
    commands: Commands,
    announcements: Announcements,
    keys: Keys,
    scripts: Scripts,
    vital: Vital,
    /// Tells the viewers here from those of other processes.
    node: String,
}

impl RedisStore {
    /// Connects. [`StoreError::Unavailable`] when Redis cannot be reached in time or refuses the password.
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        let (keys, vital) = (Keys::new(settings.prefix().to_owned()), Vital::default());
        let commands = Commands::connect(&settings, vital.clone()).await?;
        if let Some(policy) = commands.eviction_policy().await {
            warn!(
                %policy,
                "this Redis evicts keys when it runs out of memory, and rooms and users with them; \
                 set its maxmemory-policy to noeviction"
            );
        }
        let announcements = Announcements::start(&settings, keys.clone(), &commands, vital.clone());
        Ok(Self {
            commands,
            announcements,
            keys,
            scripts: Scripts::new(settings.is_cluster()),
            vital,
            node: hex::encode(rand::random::<[u8; 8]>()),
        })
    }

    /// Ends the listening for announcements, and the looking for changes of a cluster. Commands still work.
    pub async fn close(&self) {
        self.announcements.close().await;
        self.commands.close().await;
    }

    /// Whether this is a cluster.
    pub const fn is_cluster(&self) -> bool {
        self.commands.cluster().is_some()
    }

    /// What of the store works by itself: without it nothing is announced any more.
    pub const fn vital(&self) -> &Vital {
        &self.vital
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        Reply::of(self.commands.run(call).await?)
    }

    /// A call of a script with keys of one room.
    fn on_room<'a>(&self, script: &'a Script, room: RoomId, names: &[&str]) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for name in names {
            call.key(self.keys.of_room(room, name));
        }
        call
    }

    /// A call of a script with a part of the list of rooms.
    fn on_rooms<'a>(&self, script: &'a Script, part: u8) -> ScriptInvocation<'a> {
        script.key(&self.keys.rooms(part)[..])
    }

    /// The newest entries of the list of rooms, from a place on, and how many rooms are listed in all. Each part is asked
    /// for as many, so the newest of all are among them.
    async fn listed(&self, from: &str, wanted: usize) -> Result<(Vec<String>, u64), StoreError> {
        let parts = (0..LIST_PARTS).map(async |part| {
            let mut call = self.on_rooms(&self.scripts.active_rooms, part);
            let mut reply = self.run(call.arg(from).arg(wanted)).await?;
            Ok::<_, StoreError>((reply.number()?, reply.strings().collect::<Result<Vec<_>, _>>()?))
        });
        let (mut entries, mut total) = (Vec::new(), 0);
        for (count, part) in try_join_all(parts).await? {
            total += count;
            entries.extend(part);
        }
        entries.sort_unstable_by(|one, another| another.cmp(one));
        entries.truncate(wanted);
        Ok((entries, total))
    }

    /// A call of a script with a user.
    fn on_user<'a>(&self, script: &'a Script, user: &UserId) -> ScriptInvocation<'a> {
        script.key(self.keys.user(user))
    }
}

#[async_trait]
impl Store for RedisStore {
    /// In two steps, as room and list may live on two nodes of a cluster. Between them the room is there, not listed.
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        let mut create = self.on_room(&self.scripts.create_room, id, &["room"]);
        let state = self.run(create.arg(code.reveal()).arg(millis(ttl))).await?.room_state(id)?;
        let mut list = self.on_rooms(&self.scripts.list_room, list_part(id));
        list.arg(list_entry(state.room.created_at, id)).arg(state.room.expires_at.as_millis());
        self.run(&list).await?;
        Ok(state)
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        const NOTHING: Window = Window { after: None, before: None, take: Take::First(0) };
        let mut call = self.on_room(&self.scripts.snapshot, room, &PARTS);
        let window = window.unwrap_or(NOTHING);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let state = reply.room_state(room)?;
        let indexes = window.range(state.message_count);
        let messages =
            indexes.zip(reply.strings()).map(|(index, written)| record::read_message(room, index, &written?));
        Ok(Snapshot { messages: messages.collect::<Result<_, _>>()?, state })
    }

    async fn chatters(&self, room: RoomId, window: Window) -> Result<ChatterPage, StoreError> {
        let mut call = self.on_room(&self.scripts.chatters, room, &PARTS);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let total = reply.number()?;
        let chatters = reply.strings().map(|written| record::read_chatter(&written?));
        Ok(ChatterPage { chatters: chatters.collect::<Result<_, _>>()?, total })
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        let wanted = limit as usize + 1;
        let mut from = after.map_or_else(|| "+".to_owned(), |(at, room)| format!("({}", list_entry(at, room)));
        let (mut rooms, mut total, mut more) = (Vec::new(), 0, true);
        for _ in 0..ROUNDS {
            let (entries, listed) = self.listed(&from, wanted).await?;
            total = listed;
            let ids = entries.iter().filter_map(|entry| room_of_list_entry(entry));
            for snapshot in join_all(ids.map(|id| self.snapshot(id, None))).await {
                match snapshot {
                    Ok(snapshot) => rooms.push(snapshot.state),
                    Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            more = entries.len() == wanted;
            match entries.last() {
                Some(last) if more && rooms.len() < wanted => from = format!("({last}"),
                _ => break,
            }
        }
        more |= rooms.len() >= wanted;
        rooms.truncate(limit as usize);
        Ok(ActiveRooms { rooms, more, total })
    }

    async fn admit(&self, admission: Admission) -> Result<Admitted, StoreError> {
        let mut call = self.on_user(&self.scripts.admit, &admission.user);
        let mut reply = self.run(pass_admission(&mut call, &admission)).await?;
        admitted(admission.user, &mut reply)
    }

    async fn withdraw(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.run(self.on_user(&self.scripts.withdraw, user).arg(hex::encode(token.0))).await.map(drop)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit { room, check, change } = commit;
        let mut call = self.on_room(&self.scripts.commit, room, &PARTS);
        call.key(self.keys.of_room(room, EVENTS));
        call.arg(record::write_kind(kind_of(&change))).arg(record::write_check(check));
        match change {
            Change::Send { author, text, client_message_id, capacity } => call
                .arg(author.id.as_str())
                .arg(client_message_id.as_ref().map_or("", |id| id.as_str()))
                .arg(capacity)
                .arg(record::write_chatter(&author))
                .arg(record::write_send(&author, client_message_id.as_ref()))
                .arg(text.as_str()),
            Change::Edit { index, revision, text } => call.arg(index).arg(revision.0).arg(text.as_str()),
            Change::Delete { index, revision } => call.arg(index).arg(revision.0),
        };
        let mut reply = self.run(&call).await?;
        let event = record::read_event(room, &reply.string()?)?;
        committed(reply.outcome(), event).ok_or_else(|| reply.unknown())
    }

    async fn send(&self, admission: Admission, sending: Sending) -> Result<Sent, StoreError> {
        if self.is_cluster() {
            return send_in_two_steps(self, admission, sending).await;
        }
        let Sending { room, check, text, client_message_id, capacity } = sending;
        let mut call = self.on_room(&self.scripts.send, room, &PARTS);
        call.key(self.keys.of_room(room, EVENTS)).key(self.keys.user(&admission.user));
        let [before, behind] = record::write_around_name(&admission.user, client_message_id.as_ref());
        pass_admission(&mut call, &admission)
            .arg(record::write_check(check))
            .arg(admission.user.as_str())
            .arg(client_message_id.as_ref().map_or("", |id| id.as_str()))
            .arg(capacity)
            .arg(before)
            .arg(behind)
            .arg(text.as_str());
        let mut reply = self.run(&call).await?;
        let admitted = admitted(admission.user, &mut reply)?;
        if admitted.chatter().is_none() {
            return Ok(Sent { admitted, committed: None });
        }
        if !matches!(admitted, Admitted::Repeated(..)) {
            // In the place of the token that a repeated one has.
            reply.string()?;
        }
        let outcome = reply.string()?;
        let event = record::read_event(room, &reply.string()?)?;
        Ok(Sent { admitted, committed: Some(committed(&outcome, event).ok_or_else(|| reply.unknown())?) })
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut call = self.on_room(&self.scripts.read_log, room, &PARTS);
        call.arg(after.seq.0).arg(record::write_check(after.check)).arg(limit);
        let reply = self.run(&call).await?;
        Ok(reply.strings().map(|written| record::read_event(room, &written?)).collect::<Result<_, _>>()?)
    }

    fn feed(&self) -> Feed {
        self.announcements.feed()
    }

    fn watch(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.announcements.watch(room)
    }

    fn unwatch(&self, room: RoomId) {
        self.announcements.unwatch(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        let calls = counts.iter().copied().map(|(room, count)| {
            let mut call = self.on_room(&self.scripts.report_viewers, room, &["room", "viewers"]);
            call.arg(&self.node).arg(count).arg(millis(VIEWERS_KEPT));
            async move { self.run(&call).await.map(drop) }
        });
        stream::iter(calls).buffered(AT_A_TIME).try_collect().await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        let calls = rooms.iter().copied().map(|room| {
            let mut call = self.on_room(&self.scripts.viewers_elsewhere, room, &["viewers"]);
            call.arg(&self.node);
            async move { Ok(u32::try_from(self.run(&call).await?.number()?).unwrap_or(u32::MAX)) }
        });
        stream::iter(calls).buffered(AT_A_TIME).try_collect().await
    }

    async fn strike(&self, subject: Subject, lockout: Lockout) -> Result<Struck, StoreError> {
        let Lockout { free, first, longest, forgotten_after } = lockout;
        let mut call = self.scripts.strike.key(self.keys.strikes(subject));
        call.arg(free).arg(millis(first)).arg(millis(longest)).arg(millis(forgotten_after));
        let mut reply = self.run(&call).await?;
        match reply.outcome() {
            "counted" => Ok(Struck::Counted(Ticket(reply.number()?))),
            "locked" => Ok(Struck::LockedOut(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unknown()),
        }
    }

    async fn forgive(&self, subject: Subject, ticket: Ticket) -> Result<(), StoreError> {
        self.run(self.scripts.forgive.key(self.keys.strikes(subject)).arg(ticket.0)).await.map(drop)
    }

    async fn guess(&self, room: RoomId, guesser: Guesser, limits: Option<GuessLimits>) -> Result<Guess, StoreError> {
        let GuessLimits { open, last } = limits.unwrap_or(GuessLimits { open: 0, last: 0 });
        let mut call = self.on_room(&self.scripts.guess, room, &["room", "guesses", "last", "known"]);
        let mut reply = self.run(call.arg(&guesser.subject.0).arg(&guesser.block.0).arg(open).arg(last)).await?;
        match reply.outcome() {
            "known" => Ok(Guess::Known),
            "counted" => Ok(Guess::Counted),
            "closed" => Ok(Guess::Closed(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unknown()),
        }
    }

    async fn welcome(&self, room: RoomId, guesser: Guesser, counted: bool) -> Result<(), StoreError> {
        let mut call = self.on_room(&self.scripts.welcome, room, &["room", "guesses", "last", "known"]);
        self.run(call.arg(&guesser.subject.0).arg(&guesser.block.0).arg(u8::from(counted)).arg(KNOWN_MAX))
            .await
            .map(drop)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.commands.write_everywhere(|n| self.keys.ping(n)).await
    }
}

fn pass_admission<'a, 'b>(call: &'a mut ScriptInvocation<'b>, admission: &Admission) -> &'a mut ScriptInvocation<'b> {
    let Admission { presented, successor, keep_until, newcomer, user: _ } = admission;
    call.arg(presented.map_or_else(String::new, |presented| hex::encode(presented.hash.0)))
        .arg(presented.map_or_else(String::new, |presented| hex::encode(presented.sealed_successor.0)))
        .arg(hex::encode(successor.0))
        .arg(keep_until.as_millis())
        .arg(newcomer.as_ref().map_or("", |name| name.as_str()))
}

fn admitted(id: UserId, reply: &mut Reply) -> Result<Admitted, StoreError> {
    match reply.outcome() {
        "created" => Ok(Admitted::Created(Chatter { id, display_name: reply.display_name()? })),
        "rotated" => Ok(Admitted::Rotated(Chatter { id, display_name: reply.display_name()? })),
        "repeated" => {
            let chatter = Chatter { id, display_name: reply.display_name()? };
            Ok(Admitted::Repeated(chatter, record::read_sealed(&reply.string()?)?))
        }
        "unknown" => Ok(Admitted::Unknown),
        "wrong_token" => Ok(Admitted::WrongToken),
        _ => Err(reply.unknown()),
    }
}

fn committed(outcome: &str, event: Event) -> Option<Committed> {
    match outcome {
        "new" => Some(Committed::New(event)),
        "repeated" => Some(Committed::Repeated(event)),
        _ => None,
    }
}

fn pass_window<'a, 'b>(call: &'a mut ScriptInvocation<'b>, window: Window) -> &'a mut ScriptInvocation<'b> {
    let place = |place: Option<u64>| place.map_or_else(String::new, |index| index.to_string());
    let (end, n) = match window.take {
        Take::First(n) => ("first", n),
        Take::Last(n) => ("last", n),
    };
    call.arg(place(window.after)).arg(place(window.before)).arg(end).arg(n)
}

const fn kind_of(change: &Change) -> EventKind {
    match change {
        Change::Send { .. } => EventKind::Sent,
        Change::Edit { .. } => EventKind::Edited,
        Change::Delete { .. } => EventKind::Deleted,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// One for every operation, each behind what several share.
struct Scripts {
    create_room: Script,
    list_room: Script,
    active_rooms: Script,
    snapshot: Script,
    chatters: Script,
    commit: Script,
    read_log: Script,
    admit: Script,
    withdraw: Script,
    /// For a single Redis.
    send: Script,
    report_viewers: Script,
    viewers_elsewhere: Script,
    strike: Script,
    forgive: Script,
    guess: Script,
    welcome: Script,
}

macro_rules! script {
    ($($file:literal),+) => { Script::new(script_text!($($file),+)) };
}

macro_rules! script_text {
    ($($file:literal),+) => { concat!(include_str!("redis/common.lua"), $(include_str!($file)),+) };
}

impl Scripts {
    fn new(in_cluster: bool) -> Self {
        // To all of a single Redis, which may be too old to know of shards, and to one shard of a cluster.
        let announce = if in_cluster { "SPUBLISH" } else { "PUBLISH" };
        let announce = format!("local announce = '{announce}'\n");
        let send = concat!(
            include_str!("redis/common.lua"),
            "local function admit(KEYS, ARGV)\n",
            include_str!("redis/admit.lua"),
            "end\nlocal function commit(KEYS, ARGV)\n",
            include_str!("redis/commit.lua"),
            "end\n",
            include_str!("redis/send.lua"),
        );
        Self {
            create_room: script!("redis/create_room.lua"),
            list_room: script!("redis/list_room.lua"),
            active_rooms: script!("redis/active_rooms.lua"),
            snapshot: script!("redis/window.lua", "redis/snapshot.lua"),
            chatters: script!("redis/window.lua", "redis/chatters.lua"),
            commit: Script::new(&(announce.clone() + script_text!("redis/commit.lua"))),
            send: Script::new(&(announce + send)),
            read_log: script!("redis/read_log.lua"),
            admit: script!("redis/admit.lua"),
            withdraw: script!("redis/withdraw.lua"),
            report_viewers: script!("redis/report_viewers.lua"),
            viewers_elsewhere: script!("redis/viewers_elsewhere.lua"),
            strike: script!("redis/strike.lua"),
            forgive: script!("redis/forgive.lua"),
            guess: script!("redis/guess.lua"),
            welcome: script!("redis/welcome.lua"),
        }
    }
}
