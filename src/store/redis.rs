//! The store that several processes share. Most operations are one Lua script each; pages are read with plain commands.
//!
//! Connections are in `link`, keys in `keys`, encoded values in `codec`, script replies in `reply`, and the feed of events in
//! `feed`. The script of an operation makes its decisions; scripts are in `redis/scripts`.

mod acl;
mod active_rooms;
mod changes;
mod codec;
mod event_codec;
mod fan_out;
mod feed;
pub mod import;
mod keys;
mod link;
mod lockouts;
mod members;
#[cfg(feature = "test-next-version")]
mod next_version;
mod reply;
mod room_list;
mod scripts;
mod snapshot;
mod staging;
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
use crate::domain::event::Event;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::presence::Typing;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::UserId;
use crate::store::redis::feed::{EventFeed, encode_typing};
use crate::store::redis::keys::{CODE_PARTS, Keys, ROOM_PARTS};
use crate::store::redis::link::commands::CommandClient;
use crate::store::redis::link::connect_error::is_temporary;
use crate::store::redis::link::error::is_cluster_down;
use crate::store::redis::link::script::{Script, ScriptCall};
pub use crate::store::redis::link::settings::{InvalidSettings, Login, Sentinels, Settings};
pub use crate::store::redis::link::tls::{CertificateFiles, InvalidCertificates};
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::{Scripts, pass_admission};
use crate::store::redis::startup::{StartupWait, check_layout};
use crate::store::redis::two_step_send::send_in_two_steps;
use crate::store::redis::viewer_cache::ViewerCache;
use crate::store::{
    ActiveRooms, Actor, AddressHash, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, CodeAttempt,
    Commit, Committed, Feed, Member, NewMessage, NewRoom, PresenceReport, PresentUsers, Reacted, Reaction, RoomState,
    Sent, Snapshot, Store, StoreError, TRUSTED_CLIENTS_MAX, UserPage,
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
    /// Identifies this process in what it reports to others.
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
        let node = hex::encode(rand::random::<[u8; 8]>());
        let feed = EventFeed::start(&settings, keys.clone(), &node, &commands, critical_tasks.clone());
        let inner = Inner {
            commands,
            feed,
            keys,
            scripts: Scripts::new(settings.is_cluster()),
            critical_tasks,
            node,
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

    async fn end_room(&self, room: RoomId) -> Result<(), StoreError> {
        self.detached(async move |store: Self| store.end_and_unlist(room).await).await
    }

    async fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError> {
        self.read_bans(room, after, limit).await
    }

    async fn member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        self.read_member(room, user, address).await
    }

    async fn join(&self, room: RoomId, actor: Actor) -> Result<Member, StoreError> {
        self.register_member(room, actor).await
    }

    async fn reactions_by(&self, room: RoomId, user: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        self.read_reactions_by(room, user, messages).await
    }

    async fn react(&self, reaction: Reaction) -> Result<Reacted, StoreError> {
        self.commit_reaction(reaction).await
    }

    async fn log_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError> {
        self.log_marked_reactions(room).await
    }

    async fn announce_typing(&self, room: RoomId, typing: Typing) -> Result<(), StoreError> {
        let mut call = self.on_room(&self.inner.scripts.announce, room, &["room"]);
        self.run(call.arg(encode_typing(&typing))).await.map(drop)
    }

    async fn report_presence(&self, room: RoomId, report: PresenceReport) -> Result<bool, StoreError> {
        self.write_presence(room, report).await
    }

    async fn present_elsewhere(&self, room: RoomId) -> Result<PresentUsers, StoreError> {
        self.read_presence(room).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.read_snapshot(room, window).await
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.read_users(room, window).await
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
        let committed = self.commit_change(commit).await?;
        #[cfg(feature = "test-next-version")]
        self.add_unknown_entry(&committed).await;
        Ok(committed)
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        if self.is_cluster() {
            let send = async move |store: Self| send_in_two_steps(&store, admission, message).await;
            return self.detached(send).await;
        }
        let sent = self.send_in_one_step(admission, message).await?;
        #[cfg(feature = "test-next-version")]
        if let Some(committed) = &sent.committed {
            self.add_unknown_entry(committed).await;
        }
        Ok(sent)
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
        let mut call = self.on_room(&self.inner.scripts.begin_code_attempt, room, &CODE_PARTS);
        let mut reply = self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(unrestricted).arg(total)).await?;
        match reply.outcome() {
            "known" => Ok(CodeAttempt::Known),
            "counted" => Ok(CodeAttempt::Counted),
            "closed" => Ok(CodeAttempt::Closed(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unexpected_outcome()),
        }
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        let mut call = self.on_room(&self.inner.scripts.trust_client, room, &CODE_PARTS);
        self.run(call.arg(&client.subject.0).arg(&client.block.0).arg(u8::from(counted)).arg(TRUSTED_CLIENTS_MAX))
            .await
            .map(drop)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.commands.write_to_most_primaries(|n| self.inner.keys.ping(n)).await
    }
}
