//! The store that several processes share. Most operations are one Lua script each; pages are read with plain commands.
//!
//! Connections are in `link`, keys in `keys`, encoded values in `codec`, script replies in `reply`, and the feed of events in
//! `feed`. The script of an operation makes its decisions; scripts are in `redis/scripts`.

mod acl;
mod active_rooms;
mod codec;
mod fan_out;
mod feed;
pub mod import;
mod keys;
mod link;
mod lockouts;
mod reply;
mod scripts;
mod snapshot;
mod startup;
mod two_step_send;
mod viewer_cache;
mod viewers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use tracing::warn;

use crate::critical_tasks::CriticalTasks;
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, MessageText};
use crate::domain::page::Window;
use crate::domain::position::{Position, Seq};
use crate::domain::presence::Typing;
use crate::domain::reaction::Emoji;
use crate::domain::room::{Room, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::UserId;
use crate::store::redis::feed::EventFeed;
use crate::store::redis::keys::{Keys, ROOM_PARTS, list_entry};
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::link::commands::CommandClient;
use crate::store::redis::link::connect_error::is_temporary;
use crate::store::redis::link::error::is_cluster_down;
use crate::store::redis::link::script::{Script, ScriptCall};
pub use crate::store::redis::link::settings::{InvalidSettings, Login, Sentinels, Settings};
pub use crate::store::redis::link::tls::{CertificateFiles, InvalidCertificates};
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::{Scripts, millis, pass_admission, pass_window};
use crate::store::redis::startup::{StartupWait, check_layout};
use crate::store::redis::two_step_send::send_in_two_steps;
use crate::store::redis::viewer_cache::ViewerCache;
use crate::store::{
    ActiveRooms, Actor, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, Change, CodeAttempt, Commit,
    Committed, Feed, Member, NewMessage, NewRoom, PresenceReport, PresentUsers, Reacted, Reaction, RoomState, Sent,
    Snapshot, Store, StoreError, TRUSTED_CLIENTS_MAX, UserPage,
};

/// Maximum number of operations of several steps in flight, at some 4 kB each. No process starts that many while an unavailable
/// shard delays its callers, so operations on other shards still find a place.
const MAX_DETACHED: usize = 16_384;
/// How long such an operation may take: longer than the deadlines of all its steps together.
const DETACHED_TIMEOUT: Duration = Duration::from_secs(60);
/// How long such operations may continue when the store is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps rooms in Redis 6.2 or later, or in a Redis Cluster of version 7 or later. Redis should evict no keys
/// (`maxmemory-policy noeviction`): a room has several keys, and if one of them is missing, the room is gone.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
    /// Completes operations of several steps whose callers have gone.
    detached_tasks: DetachedTasks,
}

struct Inner {
    commands: CommandClient,
    feed: EventFeed,
    keys: Keys,
    scripts: Scripts,
    critical_tasks: CriticalTasks,
    /// Identifies this process in the viewer counts.
    node: String,
    viewer_cache: ViewerCache,
}

impl RedisStore {
    /// Connects, and retries for as long as the settings allow, unless the error is permanent. Also waits for a cluster that is
    /// down, but succeeds even if it stays down, because it may recover later.
    pub async fn connect_when_ready(settings: Settings) -> Result<Self, StoreError> {
        let mut wait = StartupWait::new(settings.wait);
        let store = wait.retry(async || Self::connect(settings.clone()).await, is_temporary).await?;
        if store.is_cluster() {
            let _ = wait.retry(async || store.ping().await, is_cluster_down).await;
        }
        wait.finish();
        Ok(store)
    }

    /// Connects. [`StoreError::Unavailable`] when Redis cannot be reached in time or rejects the login.
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        let (keys, critical_tasks) = (Keys::new(&settings.prefix), CriticalTasks::default());
        let check = async |connection: &mut MultiplexedConnection| acl::check(connection, &settings.prefix).await;
        let commands = CommandClient::connect(&settings, critical_tasks.clone(), check).await?;
        if let Some(policy) = commands.eviction_policy().await {
            warn!(
                %policy,
                "this Redis evicts keys when it runs out of memory, and with them rooms and users; \
                 set its maxmemory-policy to noeviction"
            );
        }
        check_layout(&commands, &keys).await?;
        let feed = EventFeed::start(&settings, keys.clone(), &commands, critical_tasks.clone());
        let inner = Inner {
            commands,
            feed,
            keys,
            scripts: Scripts::new(settings.is_cluster()),
            critical_tasks,
            node: hex::encode(rand::random::<[u8; 8]>()),
            viewer_cache: ViewerCache::new(),
        };
        Ok(Self { inner: Arc::new(inner), detached_tasks: DetachedTasks::new(MAX_DETACHED, DETACHED_TIMEOUT) })
    }

    /// Ends operations of several steps, the feed, and the refreshing of a cluster's topology. Commands still work.
    pub async fn close(&self) {
        self.detached_tasks.close(CLOSE_TIMEOUT).await;
        self.inner.feed.close().await;
        self.inner.commands.close().await;
    }

    /// Whether Redis is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.inner.commands.cluster().is_some()
    }

    /// The background tasks. The feed stops if one of them fails.
    pub fn critical_tasks(&self) -> &CriticalTasks {
        &self.inner.critical_tasks
    }

    /// Runs an operation of several steps to its end, even if the caller goes away.
    async fn detached<T, W>(&self, operation: impl FnOnce(Self) -> W) -> Result<T, StoreError>
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

    /// Takes two steps, because a cluster may keep room and list on two nodes. Between them the room exists without being listed.
    async fn create_and_list(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        let mut create = self.on_room(&self.inner.scripts.create_room, room.id, &ROOM_PARTS);
        let state = self.run(create.arg(room.code.reveal()).arg(millis(room.ttl))).await?.room_state(room.id)?;
        self.list_room(&state.room).await?;
        Ok(state)
    }

    /// Adds a room to the list of rooms. Idempotent.
    async fn list_room(&self, room: &Room) -> Result<(), StoreError> {
        let topology = self.inner.commands.cluster().map(Cluster::topology);
        let part = self.inner.keys.list_part(room.id, topology.as_deref());
        let mut call = self.inner.scripts.list_room.call(self.inner.keys.room_list(part));
        call.arg(list_entry(room.created_at, room.id)).arg(room.expires_at.as_millis());
        self.run(&call).await.map(drop)
    }

    async fn run(&self, call: &ScriptCall<'_>) -> Result<Reply, StoreError> {
        Reply::parse(self.inner.commands.run(call).await?)
    }

    /// A call of a script with these keys of a room.
    fn on_room<'a>(&self, script: &'a Script, room: RoomId, names: &[&str]) -> ScriptCall<'a> {
        script.call(names.iter().map(|name| self.inner.keys.of_room(room, name)))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create_room(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        self.detached(async move |store: Self| store.create_and_list(room).await).await
    }

    async fn end_room(&self, _room: RoomId) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn bans(&self, _room: RoomId, _after: Option<u64>, _limit: u32) -> Result<BanPage, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn member(&self, _room: RoomId, _user: &UserId) -> Result<Option<Member>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn join(&self, _room: RoomId, _actor: Actor) -> Result<Member, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn reactions_by(&self, _: RoomId, _: &UserId, _: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn react(&self, _reaction: Reaction) -> Result<Reacted, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn log_reactions(&self, _room: RoomId) -> Result<Option<Duration>, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn announce_typing(&self, _room: RoomId, _typing: Typing) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn report_presence(&self, _room: RoomId, _report: PresenceReport) -> Result<bool, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn present_elsewhere(&self, _room: RoomId) -> Result<PresentUsers, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.read_snapshot(room, window).await
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.chatters, room, &ROOM_PARTS);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let total = reply.number()?;
        let mut users = Vec::new();
        while !reply.is_empty() {
            users.push(codec::decode_author(&reply.string()?)?);
        }
        Ok(UserPage { users, total })
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.list_active_rooms(after, limit).await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        let mut call = self.inner.scripts.authenticate.call([self.inner.keys.user(&admission.user)]);
        self.run(pass_admission(&mut call, &admission)).await?.admitted(admission.user)
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.run(self.inner.scripts.forget_new_user.call([self.inner.keys.user(user)]).arg(&token.0[..]))
            .await
            .map(drop)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit { room, tag, change } = commit;
        let commit_change = |kind: EventKind, index: u64, revision: Seq| {
            let mut call = self.on_room(&self.inner.scripts.commit_change, room, &ROOM_PARTS);
            call.arg(&[codec::encode_kind(kind)][..]).arg(&codec::encode_tag(tag)[..]).arg(index).arg(revision.0);
            call
        };
        let mut reply = match change {
            Change::Send { author, text, client_message_id, limits } => {
                let mut call = self.on_room(&self.inner.scripts.commit_send, room, &ROOM_PARTS);
                pass_message(&mut call, &author.id, client_message_id.as_ref(), &text);
                call.arg(&codec::encode_tag(tag)[..]).arg(limits.messages).arg(limits.events);
                let mut reply = self.run(call.arg(author.display_name.as_str())).await?;
                return reply.committed_send(room, author, text, client_message_id);
            }
            Change::Edit { index, revision, text, limits } => {
                let mut call = commit_change(EventKind::Edited, index, revision);
                self.run(call.arg(text.as_str()).arg(limits.events).arg(limits.edits)).await?
            }
            Change::Delete { index, revision, .. } => {
                self.run(&commit_change(EventKind::Deleted, index, revision)).await?
            }
        };
        Ok(Committed::New(codec::decode_event(room, &reply.bytes()?)?))
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        if self.is_cluster() {
            let send = async move |store: Self| send_in_two_steps(&store, admission, message).await;
            return self.detached(send).await;
        }
        let NewMessage { room, tag, text, client_message_id, limits } = message;
        let keys = ROOM_PARTS.iter().map(|name| self.inner.keys.of_room(room, name));
        let mut call = self.inner.scripts.send.call(keys.chain([self.inner.keys.user(&admission.user)]));
        pass_message(&mut call, &admission.user, client_message_id.as_ref(), &text);
        let mut reply = self.run(call.arg(codec::encode_send(&admission, tag, limits))).await?;
        let admitted = reply.admitted(admission.user)?;
        let Some(author) = admitted.user().cloned() else { return Ok(Sent { admitted, committed: None }) };
        reply.read_outcome()?;
        let committed = reply.committed_send(room, author, text, client_message_id)?;
        Ok(Sent { admitted, committed: Some(committed) })
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.read_log, room, &ROOM_PARTS);
        let mut reply = self.run(call.arg(after.seq.0).arg(&codec::encode_tag(after.tag)[..]).arg(limit)).await?;
        let mut events = Vec::new();
        while !reply.is_empty() {
            events.push(reply.event(room)?);
        }
        Ok(events)
    }

    fn feed(&self) -> Feed {
        self.inner.feed.feed()
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.feed.subscribe(room)
    }

    fn unsubscribe(&self, room: RoomId) {
        self.inner.feed.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        self.write_viewers(counts).await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        self.read_viewers(rooms).await
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        let AttemptLimits { unrestricted, total } = limits.unwrap_or(AttemptLimits { unrestricted: 0, total: 0 });
        let mut call =
            self.on_room(&self.inner.scripts.begin_code_attempt, room, &["room", "guesses", "last", "known"]);
        let mut reply = self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(unrestricted).arg(total)).await?;
        match reply.outcome() {
            "known" => Ok(CodeAttempt::Known),
            "counted" => Ok(CodeAttempt::Counted),
            "closed" => Ok(CodeAttempt::Closed(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unexpected_outcome()),
        }
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        let mut call = self.on_room(&self.inner.scripts.trust_client, room, &["room", "guesses", "last", "known"]);
        self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(u8::from(counted)).arg(TRUSTED_CLIENTS_MAX))
            .await
            .map(drop)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.commands.write_to_most_primaries(|n| self.inner.keys.ping(n)).await
    }
}

/// Passes the first arguments of `commit_send`.
fn pass_message(
    call: &mut ScriptCall<'_>,
    author: &UserId,
    client_message_id: Option<&ClientMessageId>,
    text: &MessageText,
) {
    call.arg(codec::author_field(author))
        .arg(client_message_id.map_or_else(String::new, |id| codec::send_field(author, id)))
        .arg(codec::encode_fields(author, client_message_id, text.as_str()));
}
