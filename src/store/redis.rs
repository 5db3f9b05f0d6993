//! The store that many processes share: every operation is one script on Redis, and this file calls them.
//!
//! Where Redis is and how it is reached is in `settings`, `certificates`, `primary` and `cluster`, how commands go there in
//! `connection`, how announcements come back in `feed`, what things are called in `keys`, what they look like in `record`. What an operation decides is in its script.

mod feed;

pub mod import;
mod keys;
mod lockouts;

mod codec;

mod acl;
mod link;
mod rooms;
mod scripts;

mod startup;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use redis::{Script, ScriptInvocation};
use tracing::warn;

use crate::critical_tasks::CriticalTasks;
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::event::{Event, EventKind, Position};
use crate::domain::page::{Take, Window};
use crate::domain::room::{RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{TokenHash, User, UserId};
use crate::store::redis::codec::Reply;
use crate::store::redis::feed::Announcements;
use crate::store::redis::keys::{EVENTS, Keys, list_entry};
use crate::store::redis::link::connect_error::{is_cluster_down, is_temporary};
use crate::store::redis::link::connection::Commands;
pub use crate::store::redis::link::settings::{InvalidSettings, Login, Sentinels, Settings};
pub use crate::store::redis::link::tls::{CertificateFiles, InvalidCertificates};
use crate::store::redis::rooms::{IN_A_CALL, LastViewers, list_part_for};
use crate::store::redis::scripts::Scripts;
use crate::store::redis::startup::Patience;
use crate::store::{
    ActiveRooms, Admission, Admitted, AttemptLimits, AttemptingClient, Change, CodeAttempt, Commit, Committed, Feed,
    NewMessage, RoomState, Sent, Snapshot, Store, StoreError, TRUSTED_CLIENTS_MAX, UserPage, send_in_two_steps,
};

/// What a room consists of. Its scripts are given all of it, to tell a whole room from the rest of one.
const PARTS: [&str; 6] = ["room", "messages", "log", "once", "chatters", "roster"];
/// Operations of several steps that are under way at a time, at most, at some 4 kB each: more than a process can begin while a
/// shard that is away keeps its callers waiting, so that those of other shards find a place.
const UNDER_WAY: usize = 16_384;
/// How long such an operation may take: longer than all its steps together, each of which has a deadline of its own.
const ALL_STEPS: Duration = Duration::from_secs(60);
/// How long such operations may go on when the store is closed.
const CLOSING: Duration = Duration::from_secs(2);

/// Keeps rooms in a Redis, version 6.2 or later, or in a Redis Cluster, version 7 or later, that should evict nothing (`maxmemory-policy noeviction`): a room is
/// several keys, and without one of them it is gone.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
    /// Operations of several steps go on under it when their callers go away.
    detached_tasks: DetachedTasks,
}

struct Inner {
    commands: Commands,
    announcements: Announcements,
    keys: Keys,
    scripts: Scripts,
    critical_tasks: CriticalTasks,
    /// Tells the viewers here from those of other processes.
    node: String,
    /// Rooms in one call, at most.
    in_a_call: usize,
    last_viewers: LastViewers,
}

impl RedisStore {
    /// Connects, and waits for Redis as long as the settings say, unless it fails for a reason that waiting does not cure. A
    /// cluster that works for nobody yet is waited for too, but used after that time all the same: it may come back.
    pub async fn connect_when_ready(settings: Settings) -> Result<Self, StoreError> {
        let mut patience = Patience::new(settings.wait());
        let store = patience.until_ok(async || Self::connect(settings.clone()).await, is_temporary).await?;
        if store.is_cluster() {
            let _ = patience.until_ok(async || store.ping().await, is_cluster_down).await;
        }
        patience.end();
        Ok(store)
    }

    /// Connects. [`StoreError::Unavailable`] when Redis cannot be reached in time or refuses the password.
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        let (keys, critical_tasks) = (Keys::new(settings.prefix().to_owned()), CriticalTasks::default());
        let commands = Commands::connect(&settings, critical_tasks.clone()).await?;
        if let Some(policy) = commands.eviction_policy().await {
            warn!(
                %policy,
                "this Redis evicts keys when it runs out of memory, and rooms and users with them; \
                 set its maxmemory-policy to noeviction"
            );
        }
        // A single node of a cluster takes one slot in a call, even where it has all of them.
        let in_a_call = if commands.takes_one_slot().await { 1 } else { IN_A_CALL };
        let announcements = Announcements::start(&settings, keys.clone(), &commands, critical_tasks.clone());
        let inner = Inner {
            commands,
            announcements,
            keys,
            scripts: Scripts::new(settings.is_cluster()),
            critical_tasks,
            node: hex::encode(rand::random::<[u8; 8]>()),
            in_a_call,
            last_viewers: LastViewers::new(),
        };
        Ok(Self { inner: Arc::new(inner), detached_tasks: DetachedTasks::new(UNDER_WAY, ALL_STEPS) })
    }

    /// Ends operations of several steps, the listening for announcements, and the looking for changes of a cluster.
    /// Commands still work.
    pub async fn close(&self) {
        self.detached_tasks.close(CLOSING).await;
        self.inner.announcements.close().await;
        self.inner.commands.close().await;
    }

    /// Whether this is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.inner.commands.cluster().is_some()
    }

    /// What of the store works by itself: without it nothing is announced any more.
    pub fn critical_tasks(&self) -> &CriticalTasks {
        &self.inner.critical_tasks
    }

    /// Runs an operation of several steps to its end, whatever becomes of its caller.
    async fn shielded<T, W>(&self, operation: impl FnOnce(Self) -> W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.detached_tasks.run(operation(self.clone())).await.unwrap_or_else(|interrupted| {
            Err(match interrupted {
                Interrupted::Panicked => StoreError::Corrupt(Box::new(interrupted)),
                Interrupted::Overloaded | Interrupted::TimedOut => StoreError::Unavailable(Box::new(interrupted)),
            })
        })
    }

    /// In two steps, as room and list may live on two nodes of a cluster. Between them the room is there, not listed.
    async fn create_and_list(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        let mut create = self.on_room(&self.inner.scripts.create_room, id, &["room"]);
        let state = self.run(create.arg(code.reveal()).arg(millis(ttl))).await?.room_state(id)?;
        let part = list_part_for(&self.inner.commands, &self.inner.keys, id);
        let mut list = self.on_rooms(&self.inner.scripts.list_room, part);
        list.arg(list_entry(state.room.created_at, id)).arg(state.room.expires_at.as_millis());
        self.run(&list).await?;
        Ok(state)
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        Reply::of(self.inner.commands.run(call).await?)
    }

    /// A call of a script with keys of one room.
    fn on_room<'a>(&self, script: &'a Script, room: RoomId, names: &[&str]) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for name in names {
            call.key(self.inner.keys.of_room(room, name));
        }
        call
    }

    /// A call of a script with a part of the list of rooms.
    fn on_rooms<'a>(&self, script: &'a Script, part: u8) -> ScriptInvocation<'a> {
        script.key(&self.inner.keys.rooms(part)[..])
    }

    /// A call of a script with a user.
    fn on_user<'a>(&self, script: &'a Script, user: &UserId) -> ScriptInvocation<'a> {
        script.key(self.inner.keys.user(user))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        let code = code.clone();
        self.shielded(async move |store: Self| store.create_and_list(id, &code, ttl).await).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        const NOTHING: Window = Window { after: None, before: None, take: Take::First(0) };
        let mut call = self.on_room(&self.inner.scripts.snapshot, room, &PARTS);
        let window = window.unwrap_or(NOTHING);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let state = reply.room_state(room)?;
        let indexes = window.range(state.message_count);
        let messages = indexes.zip(reply.strings()).map(|(index, written)| codec::read_message(room, index, &written?));
        Ok(Snapshot { messages: messages.collect::<Result<_, _>>()?, state })
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.chatters, room, &PARTS);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let total = reply.number()?;
        let chatters = reply.strings().map(|written| codec::read_chatter(&written?));
        Ok(UserPage { users: chatters.collect::<Result<_, _>>()?, total })
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.list(after, limit).await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        let mut call = self.on_user(&self.inner.scripts.admit, &admission.user);
        let mut reply = self.run(pass_admission(&mut call, &admission)).await?;
        admitted(admission.user, &mut reply)
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.run(self.on_user(&self.inner.scripts.withdraw, user).arg(hex::encode(token.0))).await.map(drop)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit { room, tag, change } = commit;
        let mut call = self.on_room(&self.inner.scripts.commit, room, &PARTS);
        call.key(self.inner.keys.of_room(room, EVENTS));
        call.arg(codec::write_kind(kind_of(&change))).arg(codec::write_tag(tag));
        match change {
            Change::Send { author, text, client_message_id, limits } => call
                .arg(author.id.as_str())
                .arg(client_message_id.as_ref().map_or("", |id| id.as_str()))
                .arg(limits.messages)
                .arg(codec::write_chatter(&author))
                .arg(codec::write_send(&author, client_message_id.as_ref()))
                .arg(text.as_str())
                .arg(limits.events),
            Change::Edit { index, revision, text, limits } => {
                call.arg(index).arg(revision.0).arg(text.as_str()).arg(limits.events).arg(limits.edits)
            }
            Change::Delete { index, revision } => call.arg(index).arg(revision.0),
        };
        let mut reply = self.run(&call).await?;
        let event = codec::read_event(room, &reply.string()?)?;
        committed(reply.outcome(), event).ok_or_else(|| reply.unknown())
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        if self.is_cluster() {
            let send = async move |store: Self| send_in_two_steps(&store, admission, message).await;
            return self.shielded(send).await;
        }
        let NewMessage { room, tag, text, client_message_id, limits } = message;
        let mut call = self.on_room(&self.inner.scripts.send, room, &PARTS);
        call.key(self.inner.keys.of_room(room, EVENTS)).key(self.inner.keys.user(&admission.user));
        let [before, behind] = codec::write_around_name(&admission.user, client_message_id.as_ref());
        pass_admission(&mut call, &admission)
            .arg(codec::write_tag(tag))
            .arg(admission.user.as_str())
            .arg(client_message_id.as_ref().map_or("", |id| id.as_str()))
            .arg(limits.messages)
            .arg(before)
            .arg(behind)
            .arg(text.as_str())
            .arg(limits.events);
        let mut reply = self.run(&call).await?;
        let admitted = admitted(admission.user, &mut reply)?;
        if admitted.user().is_none() {
            return Ok(Sent { admitted, committed: None });
        }
        if !matches!(admitted, Admitted::Repeated(..)) {
            // In the place of the token that a repeated one has.
            reply.string()?;
        }
        let outcome = reply.string()?;
        let event = codec::read_event(room, &reply.string()?)?;
        Ok(Sent { admitted, committed: Some(committed(&outcome, event).ok_or_else(|| reply.unknown())?) })
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.read_log, room, &PARTS);
        call.arg(after.seq.0).arg(codec::write_tag(after.tag)).arg(limit);
        let reply = self.run(&call).await?;
        Ok(reply.strings().map(|written| codec::read_event(room, &written?)).collect::<Result<_, _>>()?)
    }

    fn feed(&self) -> Feed {
        self.inner.announcements.feed()
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.announcements.subscribe(room)
    }

    fn unsubscribe(&self, room: RoomId) {
        self.inner.announcements.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        self.tell_viewers(counts).await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        self.count_viewers(rooms).await
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        let AttemptLimits { unrestricted, total } = limits.unwrap_or(AttemptLimits { unrestricted: 0, total: 0 });
        let mut call = self.on_room(&self.inner.scripts.guess, room, &["room", "guesses", "last", "known"]);
        let mut reply = self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(unrestricted).arg(total)).await?;
        match reply.outcome() {
            "known" => Ok(CodeAttempt::Known),
            "counted" => Ok(CodeAttempt::Counted),
            "closed" => Ok(CodeAttempt::Closed(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unknown()),
        }
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        let mut call = self.on_room(&self.inner.scripts.welcome, room, &["room", "guesses", "last", "known"]);
        self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(u8::from(counted)).arg(TRUSTED_CLIENTS_MAX))
            .await
            .map(drop)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.commands.write_everywhere(|n| self.inner.keys.ping(n)).await
    }
}

fn pass_admission<'a, 'b>(call: &'a mut ScriptInvocation<'b>, admission: &Admission) -> &'a mut ScriptInvocation<'b> {
    let Admission { presented, next_token, keep_until, register_as, user: _ } = admission;
    call.arg(presented.map_or_else(String::new, |presented| hex::encode(presented.hash.0)))
        .arg(presented.map_or_else(String::new, |presented| hex::encode(presented.sealed_next_token.0)))
        .arg(hex::encode(next_token.0))
        .arg(keep_until.as_millis())
        .arg(register_as.as_ref().map_or("", |name| name.as_str()))
}

fn admitted(id: UserId, reply: &mut Reply) -> Result<Admitted, StoreError> {
    match reply.outcome() {
        "created" => Ok(Admitted::Created(User { id, display_name: reply.display_name()? })),
        "rotated" => Ok(Admitted::Rotated(User { id, display_name: reply.display_name()? })),
        "repeated" => {
            let chatter = User { id, display_name: reply.display_name()? };
            Ok(Admitted::Repeated(chatter, codec::read_sealed(&reply.string()?)?))
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
