//! The service: all use cases. Each one authorizes the client, checks limits, applies the rules and commits.
//!
//! Both APIs call it and nothing below it. Input arrives as the text that clients wrote. Refusals and failures are
//! [`ChatError`]s, which each API writes in its own way.

mod admission;
pub mod cursor;
mod error;
mod follower;
pub mod ids;
mod input;
mod joining;
mod messages;
mod owner;
mod page_cache;
mod presence;
mod reactions;
mod room_cache;
mod room_reads;
mod settings;
mod settings_input;

use std::sync::Arc;
use std::time::Duration;

use tracing::instrument;

use crate::access::Access;
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::client_key::ClientKey;
use crate::domain::event::{Event, EventKind};
use crate::domain::limits::Limits;
use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::position::{EntryTag, Position};
use crate::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings};
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::domain::violation::Field;
use crate::hub::Hub;
use crate::metrics::{Counters, Metrics};
use crate::rate_limit::RateLimiter;
use crate::store::{Admitted, Change, Commit, Committed, NewRoom, RoomLimits, Store, StoreError};
use crate::{access, rate_limit};

use crate::chat::admission::{AdmittedUser, Claimant, OnUnknownUser, SignedUser, prepare_admission};
use crate::chat::page_cache::PageCache;
use crate::chat::room_cache::RoomCache;
use crate::chat::settings_input::parse_settings;

pub use crate::chat::admission::{Accepted, NextToken};
pub use crate::chat::error::ChatError;
pub use crate::chat::follower::Follower;
pub use crate::chat::input::{
    BanUser, ChangeMessage, ChangeSettings, JoinRoom, MessageRef, OwnerKey, React, RoomKey, SendMessage,
};
pub use crate::chat::joining::Joined;
pub use crate::chat::presence::PresenceFollower;
pub use crate::chat::room_reads::RoomView;
pub use crate::chat::settings::Settings;
pub use crate::store::{ActiveRooms, BanPage, RoomState, UserPage};

/// Maximum number of attempts to change a message that keeps changing meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// How long a use case may take, however many calls of the store it needs.
const USE_CASE_DEADLINE: Duration = Duration::from_millis(1_900);

/// Maximum number of concurrent detached tasks, and the time each may take. Calls of the store have deadlines of their own, so
/// only a defect uses up this time.
const MAX_DETACHED_TASKS: usize = 16_384;
const DETACHED_TASK_DEADLINE: Duration = Duration::from_secs(30);

/// Maximum number of concurrent removals of a user's messages, and the time each may take: a room has up to 10^7 messages.
const MAX_REMOVALS: usize = 256;
const REMOVAL_DEADLINE: Duration = Duration::from_secs(3_600);

/// Log entries that only the owner can use, so that a room whose log is full can still be moderated.
const OWNER_ENTRIES: u64 = 1_000;

/// Read cost of opening a subscription, in addition to 1 for each missed event.
const FOLLOW_COST: u64 = 10;

/// The service over one store.
#[derive(Clone)]
pub struct Chat {
    store: Arc<dyn Store>,
    hub: Hub,
    access: Arc<Access>,
    rate_limiter: Arc<RateLimiter>,
    /// Refusals by `access` and `rate_limiter`, by action.
    refusals: Counters<1>,
    detached_tasks: DetachedTasks,
    /// Removals of the messages of banned users, which may take long.
    removals: DetachedTasks,
    settings: Settings,
    rooms: RoomCache,
    pages: PageCache,
}

impl Chat {
    pub fn new(
        store: Arc<dyn Store>,
        hub: Hub,
        settings: Settings,
        access: access::Settings,
        rate_limit: rate_limit::Settings,
    ) -> Self {
        let detached_tasks = DetachedTasks::new(MAX_DETACHED_TASKS, DETACHED_TASK_DEADLINE);
        let refusals = Counters::default();
        let rate_limiter = Arc::new(RateLimiter::new(rate_limit, refusals.clone()));
        let parse_room = |id: &str| ids::parse_room_id(id).ok();
        let tasks = detached_tasks.clone();
        let access = Arc::new(Access::new(&store, access, settings.limits, parse_room, tasks, refusals.clone()));
        Self {
            store,
            hub,
            access,
            rate_limiter,
            refusals,
            detached_tasks,
            removals: DetachedTasks::new(MAX_REMOVALS, REMOVAL_DEADLINE),
            settings,
            rooms: RoomCache::new(),
            pages: PageCache::new(),
        }
    }

    /// Registers the metrics of the service.
    pub fn register(&self, metrics: &Metrics) {
        let help = "Actions refused because they came too often or after too many failures";
        metrics.register("livechat_rate_limit_refusals", help, self.refusals.clone());
        self.access.register(metrics);
    }

    /// Creates a room with a random code. Also returns the token that proves its owner. The operator decides whether an identity is
    /// needed.
    #[instrument(level = "debug", skip_all)]
    pub async fn create_room(
        &self,
        client: ClientKey,
        settings: ChangeSettings<'_>,
        identity: Option<&str>,
    ) -> Result<(RoomState, Token), ChatError> {
        let settings = parse_settings(settings)?.apply(RoomSettings::default());
        self.rate_limiter.check_create_room(client)?;
        self.access.check_room_creator(identity)?;
        let owner = Token::random();
        let room = NewRoom {
            id: RoomId::random(),
            code: RoomCode::random(self.settings.room_code_length),
            ttl: self.settings.room_ttl,
            owner_token: owner.hash(),
            secret: RoomSecret::random(),
            settings,
        };
        let chat = self.clone();
        with_deadline(self.run_detached(async move {
            let state = chat.store.create_room(room).await?;
            chat.access.trust_creator(client, state.room.id).await?;
            Ok((state, owner))
        }))
        .await
    }

    /// Charges a read of this cost to the client, or refuses it if the client has read too much lately. The APIs must call this
    /// for every read except [`follow`](Self::follow), which charges for itself.
    pub fn charge_read(&self, client: ClientKey, cost: u64) -> Result<(), ChatError> {
        Ok(self.rate_limiter.check_read(client, cost)?)
    }

    /// Waits for detached tasks, and aborts those still running after `grace`.
    pub async fn close(&self, grace: Duration) {
        tokio::join!(self.detached_tasks.close(grace), self.removals.close(grace));
    }

    /// Reads a room, and a page of its messages if a window is given, all as of one instant.
    #[instrument(level = "debug", skip_all)]
    pub async fn room(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        messages: Option<Window>,
    ) -> Result<RoomView, ChatError> {
        with_deadline(self.open_and_read_room(client, key, messages)).await
    }

    /// Lists up to `first` live rooms, newest first, after the one that the cursor `after` names.
    #[instrument(level = "debug", skip_all)]
    pub async fn active_rooms(&self, first: u32, after: Option<&str>) -> Result<ActiveRooms, ChatError> {
        let after = after.map(cursor::decode_room).transpose()?;
        with_deadline(self.store.active_rooms(after, first)).await
    }

    /// Reads a page of the messages of a room that the client has entered.
    #[instrument(level = "debug", skip_all)]
    pub async fn messages(&self, room: &Room, window: Window) -> Result<RoomView, ChatError> {
        with_deadline(self.read_room(room.id, Some(window))).await
    }

    /// Reads a page of the chatters of a room that the client has entered.
    #[instrument(level = "debug", skip_all)]
    pub async fn chatters(&self, room: &Room, window: Window) -> Result<UserPage, ChatError> {
        with_deadline(self.store.users(room.id, window)).await
    }

    /// Counts the live subscriptions of each of `rooms` on all nodes, in the same order.
    #[instrument(level = "debug", skip_all)]
    pub async fn viewers(&self, rooms: &[RoomId]) -> Result<Vec<u32>, ChatError> {
        let elsewhere = with_deadline(self.store.viewers_elsewhere(rooms)).await?;
        Ok(rooms.iter().zip(elsewhere).map(|(room, there)| self.hub.viewers(*room).saturating_add(there)).collect())
    }

    /// Streams every change of a room's messages once and in order: first those after the cursor `after`, if it is given,
    /// then live ones. The stream ends with the room. Also returns the cursor at which the stream starts, for readers that
    /// reconnect before its first event.
    #[instrument(level = "debug", skip_all)]
    pub async fn follow(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        after: Option<&str>,
    ) -> Result<(String, Follower), ChatError> {
        self.rate_limiter.check_subscribe(client)?;
        let opened = with_deadline(self.open_room(client, key)).await?;
        let room = opened.room;
        // What a subscription has to catch up on is known from the state, if it joins the room before the state is read.
        let joined = with_deadline(self.hub.join(room.id)).await?;
        let state = match opened.fresh_state.filter(|_| joined.is_none()) {
            Some(state) => state,
            None => with_deadline(self.read_room(room.id, None)).await?.state,
        };
        self.check_capacity(&state, joined.is_some()).await?;
        let after = match after {
            Some(after) => cursor::decode_event(room.id, after)?,
            None => state.head,
        };
        self.rate_limiter.check_read(client, FOLLOW_COST + state.head.seq.0.saturating_sub(after.seq.0))?;
        let follower = match joined {
            Some(joined) => with_deadline(self.hub.follow_joined(joined, &state, after)).await?,
            None => with_deadline(self.hub.follow(&state, after)).await?,
        };
        Ok((cursor::encode_event(room.id, after), Follower(follower)))
    }

    /// Refuses a viewer of a room that has as many as its owner allows. With `is_counted`, the viewer is one of them already.
    async fn check_capacity(&self, state: &RoomState, is_counted: bool) -> Result<(), ChatError> {
        let Some(capacity) = state.settings.capacity else { return Ok(()) };
        let viewers: u32 = self.viewers(&[state.room.id]).await?.iter().sum();
        if viewers.saturating_sub(u32::from(is_counted)) < capacity { Ok(()) } else { Err(ChatError::RoomAtCapacity) }
    }

    /// Maximum size of a message text, in bytes.
    pub const fn max_text_bytes(&self) -> usize {
        self.settings.limits.text * char::MAX.len_utf8()
    }

    /// Succeeds when the store answers and takes writes.
    #[instrument(level = "debug", skip_all)]
    pub async fn check_ready(&self) -> Result<(), ChatError> {
        with_deadline(self.store.ping()).await
    }

    /// The limits of changes that only the owner can make.
    fn owner_limits(&self) -> RoomLimits {
        let limits = self.room_limits();
        RoomLimits { events: limits.events.saturating_add(OWNER_ENTRIES), ..limits }
    }

    fn room_limits(&self) -> RoomLimits {
        let Limits { messages_per_room, events_per_room, edits_per_message, .. } = self.settings.limits;
        RoomLimits { messages: messages_per_room, events: events_per_room, edits: edits_per_message }
    }

    /// Finds out who wants to act in a room, and charges for it. A user with a valid identity may leave out its id.
    fn identify(
        &self,
        client: ClientKey,
        room: &Room,
        user_id: Option<&str>,
        token: Option<&str>,
    ) -> Result<Claimant, ChatError> {
        // Before the signature is checked, which is work. An identity stands for its user.
        let identity = token.filter(|token| self.access.is_identity(token));
        self.rate_limiter.check_send(client, user_id.or(identity).unwrap_or_default(), room.id)?;
        match (self.access.check_identity(room, token)?, token) {
            (Some(identity), Some(text)) => {
                if user_id.is_some_and(|id| id != identity.user.id.as_str()) {
                    return Err(Field::UserId.invalid("must be absent, or the id of the identity").into());
                }
                Ok(Claimant::Signed(SignedUser::new(identity, text)))
            }
            _ => {
                let user = user_id.map(|id| UserId::parse(id, &self.settings.limits)).transpose()?;
                Ok(Claimant::Unsigned(user.unwrap_or_else(UserId::random)))
            }
        }
    }

    /// Authenticates an existing user by its token, and rotates the token. A signed user has been authenticated by its identity.
    async fn authenticate(
        &self,
        client: ClientKey,
        room: &Room,
        claimant: Claimant,
        token: &str,
    ) -> Result<AdmittedUser, ChatError> {
        let user = match claimant {
            Claimant::Unsigned(user) => user,
            Claimant::Signed(signed) => return Ok(signed.admitted()),
        };
        let (admission, tokens) = prepare_admission(room, user.clone(), Some(token), OnUnknownUser::Refuse);
        let admitted = self.store.authenticate(admission).await?;
        match tokens.admitted_user(&admitted) {
            Some(user) => Ok(user),
            None => Err(self.admission_error(client, &user, &admitted).await),
        }
    }

    /// Counts a wrong token and returns the error to report. A token of an unknown user takes the same steps, so that neither
    /// the count nor the time reveals whether the user exists.
    async fn admission_error(&self, client: ClientKey, user: &UserId, admitted: &Admitted) -> ChatError {
        match self.access.record_wrong_token(client, user.as_str()).await {
            Ok(Some(locked_out)) => locked_out.into(),
            Ok(None) if matches!(admitted, Admitted::Unknown) => ChatError::UserUnknown,
            Ok(None) => ChatError::TokenInvalid,
            Err(error) => error.into(),
        }
    }

    async fn commit(&self, room: &Room, change: Change) -> Result<Event, StoreError> {
        self.apply(Commit { room: room.id, tag: EntryTag::random(), change }).await
    }

    async fn apply(&self, commit: Commit) -> Result<Event, StoreError> {
        let room = commit.room;
        let committed = self.store.commit(commit).await;
        if matches!(committed, Err(StoreError::NotFound)) {
            self.rooms.forget(room);
        }
        committed.map(Committed::into_event)
    }

    /// Commits a change of a message.
    async fn commit_message(&self, room: &Room, change: Change) -> Result<(Message, Position), StoreError> {
        message_of(self.commit(room, change).await?)
    }

    /// Whether a user has proven to be the owner of a room, by a token or by its identity. Fails if the token is wrong.
    async fn is_proven_owner(
        &self,
        client: ClientKey,
        room: &Room,
        claimant: &Claimant,
        token: Option<&str>,
    ) -> Result<bool, ChatError> {
        match token {
            Some(token) => self.check_owner(client, room, token).await.map(|()| true),
            None => Ok(claimant.is_owner_of(room)),
        }
    }

    /// Runs several calls of the store that must not stop half-way. They go on if the returned future is dropped.
    async fn run_detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ChatError>> + Send + 'static,
    ) -> Result<T, ChatError> {
        run_in(&self.detached_tasks, work).await
    }
}

/// Runs `work` as one of `tasks`.
async fn run_in<T: Send + 'static>(
    tasks: &DetachedTasks,
    work: impl Future<Output = Result<T, ChatError>> + Send + 'static,
) -> Result<T, ChatError> {
    tasks.run(work).await.unwrap_or_else(|interrupted| {
        Err(match interrupted {
            Interrupted::Panicked => ChatError::Internal(interrupted.into()),
            Interrupted::Overloaded | Interrupted::TimedOut => ChatError::Unavailable(interrupted.into()),
        })
    })
}

/// The message of an event that a change of a message has made, and its position.
fn message_of(event: Event) -> Result<(Message, Position), StoreError> {
    let position = event.position;
    match event.kind {
        EventKind::Sent(message) | EventKind::Edited(message) | EventKind::Deleted(message) => Ok((message, position)),
        _ => Err(StoreError::Corrupt("a change of a message became another event".into())),
    }
}

/// Runs a use case under its deadline. A write that misses the deadline may still happen.
async fn with_deadline<T, E: Into<ChatError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, ChatError> {
    match tokio::time::timeout(USE_CASE_DEADLINE, work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(elapsed) => Err(ChatError::Unavailable(elapsed.into())),
    }
}
