//! The service: every use case once. Authorise, limit, decide, commit.
//!
//! Both wires call this and nothing below it. Input arrives as the text clients wrote; what is wrong with it is answered
//! with a [`ChatError`], which each wire writes in its own way.

mod error;
mod rooms;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::instrument;

use crate::access::{Access, Denied};
use crate::detached_tasks::{DetachedTasks, Interrupted};
use crate::domain::client_key::ClientKey;
use crate::domain::cursor;
use crate::domain::event::{EntryTag, Event};
use crate::domain::limits::Limits;
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::page::Window;
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, Token, User, UserId};
use crate::domain::violation::Violation;
use crate::hub::{self, Hub};
use crate::metrics::{Counters, Metrics};
use crate::rate_limit::RateLimiter;
use crate::store::{
    Admission, Admitted, Change, Commit, Committed, PresentedToken, RoomLimits, Sending, Sent, Store, StoreError,
};
use crate::{access, rate_limit};

use crate::chat::rooms::Rooms;

pub use crate::chat::error::ChatError;
pub use crate::chat::settings::Settings;
pub use crate::store::{ActiveRooms, RoomState, Snapshot, UserPage};

/// A user stays known for this long after the last room it wrote in has ended.
const USER_OUTLIVES_ROOM: Duration = Duration::from_secs(3_600);

/// How often a change is decided anew because its message changed in between.
const DECISIONS: usize = 5;

/// How long a use case may take, however many calls of the store it needs.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_900);

/// Detached tasks at once, and how long each may take. Its calls to the store have deadlines of their own, so only a defect
/// uses up this time.
const MAX_DETACHED_TASKS: usize = 16_384;
const DETACHED_TASK_DEADLINE: Duration = Duration::from_secs(30);

/// What opening a subscription costs of what a client may read, besides one for each event that it has missed.
const FOLLOW_COST: u64 = 10;

/// What a client says to enter a room.
#[derive(Clone, Copy)]
pub struct RoomKey<'a> {
    pub id: &'a str,
    pub code: &'a str,
}

/// What a client says to send a message. Empty texts are refused, absent ones are filled in.
#[derive(Clone, Copy)]
pub struct SendMessage<'a> {
    pub room: RoomKey<'a>,
    pub user_id: Option<&'a str>,
    pub token: Option<&'a str>,
    pub display_name: Option<&'a str>,
    pub text: &'a str,
    pub client_message_id: Option<&'a str>,
}

/// What a client says to change a message of its own.
#[derive(Clone, Copy)]
pub struct ChangeMessage<'a> {
    pub room: RoomKey<'a>,
    pub user_id: &'a str,
    pub token: &'a str,
    pub message: MessageRef<'a>,
}

/// Which message is meant.
#[derive(Clone, Copy)]
pub enum MessageRef<'a> {
    /// Its id, unique over all rooms.
    Id(&'a str),
    /// Its place in the room; negative ones are never there.
    Index(i64),
}

/// An accepted action.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The event it made; for a repeated send, the event of the first.
    pub event: Event,
    /// The user who acted.
    pub author: User,
    /// Good for this user's next action.
    pub token: Token,
}

/// The service over one store.
#[derive(Clone)]
pub struct Chat {
    store: Arc<dyn Store>,
    hub: Hub,
    access: Arc<Access>,
    rate_limiter: Arc<RateLimiter>,
    /// Refusals of both, by action.
    refusals: Counters<1>,
    detached_tasks: DetachedTasks,
    settings: Settings,
    rooms: Rooms,
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
        let access = Arc::new(Access::new(&store, access, detached_tasks.clone(), refusals.clone()));
        Self { store, hub, access, rate_limiter, refusals, detached_tasks, settings, rooms: Rooms::new() }
    }

    /// Registers the metrics of the service.
    pub fn register(&self, metrics: &Metrics) {
        let help = "Actions that were refused because they came too often or after too many failures";
        metrics.register("livechat_rate_limit_refusals", help, self.refusals.clone());
    }

    /// Makes a new room.
    #[instrument(level = "debug", skip_all)]
    pub async fn create_room(&self, client: ClientKey) -> Result<RoomState, ChatError> {
        self.rate_limiter.check_create_room(client)?;
        let code = RoomCode::random(self.settings.room_code_length);
        let chat = self.clone();
        in_time(self.complete(async move {
            let state = chat.store.create_room(RoomId::random(), &code, chat.settings.room_ttl).await?;
            chat.access.trust_creator(client, state.room.id).await?;
            Ok(state)
        }))
        .await
    }

    /// Before something is read that costs so much: refuses a client that has read too much of late. Opening a subscription
    /// costs by itself; whoever reads in any other way has to say so here.
    pub fn charge_read(&self, client: ClientKey, cost: u64) -> Result<(), ChatError> {
        Ok(self.rate_limiter.check_read(client, cost)?)
    }

    /// Waits for work whose clients are gone, and cuts short what is not done after `grace`.
    pub async fn close(&self, grace: Duration) {
        self.detached_tasks.close(grace).await;
    }

    /// A room and, when a window is given, that page of its messages, all of one instant.
    #[instrument(level = "debug", skip_all)]
    pub async fn room(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        messages: Option<Window>,
    ) -> Result<Snapshot, ChatError> {
        in_time(self.enter(client, key, messages)).await
    }

    /// The rooms alive, newest first: up to `first` of them behind the one that `after` names.
    #[instrument(level = "debug", skip_all)]
    pub async fn active_rooms(&self, first: u32, after: Option<&str>) -> Result<ActiveRooms, ChatError> {
        let after = after.map(cursor::parse_room).transpose()?;
        in_time(self.store.active_rooms(after, first)).await
    }

    /// A page of a room's messages, for somebody who has entered it.
    #[instrument(level = "debug", skip_all)]
    pub async fn messages(&self, room: &Room, window: Window) -> Result<Snapshot, ChatError> {
        in_time(self.read(room.id, Some(window))).await
    }

    /// A page of a room's chatters, for somebody who has entered it.
    #[instrument(level = "debug", skip_all)]
    pub async fn chatters(&self, room: &Room, window: Window) -> Result<UserPage, ChatError> {
        in_time(self.store.chatters(room.id, window)).await
    }

    /// Live subscriptions of each of `rooms`, on all nodes, in the same order.
    #[instrument(level = "debug", skip_all)]
    pub async fn viewers(&self, rooms: &[RoomId]) -> Result<Vec<u32>, ChatError> {
        let elsewhere = in_time(self.store.viewers_elsewhere(rooms)).await?;
        Ok(rooms.iter().zip(elsewhere).map(|(room, there)| self.hub.viewers(*room).saturating_add(there)).collect())
    }

    /// Sends a message. The first send makes a user known; a repeated `client_message_id` gives the first result.
    #[instrument(level = "debug", skip_all)]
    pub async fn send_message(&self, client: ClientKey, input: SendMessage<'_>) -> Result<Accepted, ChatError> {
        in_time(self.send(client, input)).await
    }

    async fn send(&self, client: ClientKey, input: SendMessage<'_>) -> Result<Accepted, ChatError> {
        let limits = &self.settings.limits;
        let text = MessageText::parse(input.text, limits)?;
        let name = input.display_name.map(|name| DisplayName::parse(name, limits)).transpose()?;
        let client_message_id = input.client_message_id.map(ClientMessageId::parse).transpose()?;
        let room = self.enter_to_write(client, input.room).await?;
        self.rate_limiter.check_send(client, input.user_id.unwrap_or_default(), room.id)?;
        let user = match input.user_id {
            Some(id) => UserId::parse(id, limits)?,
            None => UserId::random(),
        };
        let newcomer = Newcomer::Named(name.unwrap_or_else(DisplayName::anonymous));
        let (admission, tokens) = ask(&room, user.clone(), input.token, newcomer);
        let (check, limits) = (EntryTag::random(), self.room_limits());
        let sending = Sending { room: room.id, check, text, client_message_id, limits };
        let sent = self.store.send(admission, sending).await;
        if matches!(sent, Err(StoreError::NotFound)) {
            self.rooms.forget(room.id);
        }
        let Sent { admitted, committed } = sent?;
        match (tokens.known(&admitted), committed) {
            (Some(known), Some(committed)) => Ok(known.accepted(committed.into_event())),
            _ => Err(self.refused(client, &user, &admitted).await),
        }
    }

    /// Replaces the text of a message, for its author.
    #[instrument(level = "debug", skip_all)]
    pub async fn edit_message(
        &self,
        client: ClientKey,
        input: ChangeMessage<'_>,
        text: &str,
    ) -> Result<Accepted, ChatError> {
        let text = MessageText::parse(text, &self.settings.limits)?;
        let limits = self.room_limits();
        let edit = move |message: &Message| Change::Edit {
            index: message.id.index,
            revision: message.revision,
            text: text.clone(),
            limits,
        };
        in_time(self.change(client, input, edit)).await
    }

    fn room_limits(&self) -> RoomLimits {
        let Limits { messages_per_room, events_per_room, edits_per_message, .. } = self.settings.limits;
        RoomLimits { messages: messages_per_room, events: events_per_room, edits: edits_per_message }
    }

    /// Removes the text of a message for good, for its author.
    #[instrument(level = "debug", skip_all)]
    pub async fn delete_message(&self, client: ClientKey, input: ChangeMessage<'_>) -> Result<Accepted, ChatError> {
        let delete = |message: &Message| Change::Delete { index: message.id.index, revision: message.revision };
        in_time(self.change(client, input, delete)).await
    }

    async fn change(
        &self,
        client: ClientKey,
        input: ChangeMessage<'_>,
        change: impl Fn(&Message) -> Change + Send + Sync + 'static,
    ) -> Result<Accepted, ChatError> {
        let room_id = RoomId::parse(input.room.id)?;
        let index = match input.message {
            MessageRef::Id(id) => Some(MessageId::parse(id)?).filter(|id| id.room == room_id).map(|id| id.index),
            MessageRef::Index(index) => u64::try_from(index).ok(),
        };
        let room = self.enter_to_write(client, input.room).await?;
        self.rate_limiter.check_send(client, input.user_id, room.id)?;
        let user = UserId::parse(input.user_id, &self.settings.limits)?;
        let mut found = self.read(room.id, index.map(Window::only)).await?;
        let (chat, token) = (self.clone(), input.token.to_owned());
        // Whole, even if the client hangs up: its token is replaced by the first step.
        let changed = self.complete(async move {
            let admitted = chat.authenticate(client, &room, user, Some(&token), Newcomer::Refused).await?;
            let index = index.ok_or(Violation::MessageNotFound)?;
            for _ in 0..DECISIONS {
                let message = found.messages.pop().ok_or(Violation::MessageNotFound)?;
                message.may_be_changed_by(&admitted.chatter.id)?;
                match chat.commit(&room, change(&message)).await {
                    Ok(event) => return Ok(admitted.accepted(event)),
                    // Nothing was written: the message changed since it was read, so what may be done is decided anew.
                    Err(StoreError::Conflict) => {
                        found = chat.read(room.id, Some(Window::only(index))).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(ChatError::Conflict)
        });
        changed.await
    }

    /// Runs several calls of the store that must not be left half done. They go on if the returned future is dropped.
    async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ChatError>> + Send + 'static,
    ) -> Result<T, ChatError> {
        let done = self.detached_tasks.run(work).await;
        done.unwrap_or_else(|interrupted| {
            Err(match interrupted {
                Interrupted::Panicked => ChatError::Internal(interrupted.into()),
                Interrupted::Overloaded | Interrupted::TimedOut => ChatError::Unavailable(interrupted.into()),
            })
        })
    }

    /// Every change of a room's messages, in order, each once: without `after` from now on, with it everything since
    /// that cursor, then live. Ends when the room does. Comes with the cursor it begins behind, for readers who lose it
    /// before its first event.
    #[instrument(level = "debug", skip_all)]
    pub async fn follow(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        after: Option<&str>,
    ) -> Result<(String, Follower), ChatError> {
        self.rate_limiter.check_subscribe(client)?;
        let state = in_time(self.enter(client, key, None)).await?.state;
        let after = match after {
            Some(after) => cursor::parse_event(state.room.id, after)?,
            None => state.head,
        };
        self.rate_limiter.check_read(client, FOLLOW_COST + state.head.seq.0.saturating_sub(after.seq.0))?;
        let follower = in_time(self.hub.follow(&state, after)).await?;
        Ok((cursor::of_event(state.room.id, after), Follower(follower)))
    }

    /// Bytes of the longest text that a message can have.
    pub const fn longest_text(&self) -> usize {
        self.settings.limits.text * char::MAX.len_utf8()
    }

    /// Succeeds when the store answers and takes writes.
    #[instrument(level = "debug", skip_all)]
    pub async fn ready(&self) -> Result<(), ChatError> {
        in_time(self.store.ping()).await
    }

    /// Opens a room with the code, if the client may try one, and then reads it. Whoever has no right to see it costs no more
    /// than that, however much is in it.
    async fn enter(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        messages: Option<Window>,
    ) -> Result<Snapshot, ChatError> {
        match (self.open(client, key).await?, messages) {
            (Opened { read_now: Some(state), .. }, None) => Ok(Snapshot { state, messages: Vec::new() }),
            (Opened { room, .. }, messages) => self.read(room.id, messages).await,
        }
    }

    /// Enters a room of which only what never changes is needed: most often that is remembered here.
    async fn enter_to_write(&self, client: ClientKey, key: RoomKey<'_>) -> Result<Arc<Room>, ChatError> {
        Ok(self.open(client, key).await?.room)
    }

    /// Finds a room and opens it with the code, if the client may try one. Ids of no room are not counted: nobody guesses
    /// one of 122 random bits, and there is no code behind it.
    async fn open(&self, client: ClientKey, key: RoomKey<'_>) -> Result<Opened, ChatError> {
        let id = RoomId::parse(key.id)?;
        self.access.check_lockout(client, id)?;
        let opened = match self.rooms.find(id) {
            Some(room) => Opened { room, read_now: None },
            None => {
                let asked = Instant::now();
                let state = self.store.snapshot(id, None).await?.state;
                Opened { room: self.rooms.remember(state.clone(), asked), read_now: Some(state) }
            }
        };
        let allowed = self.access.open_room(client, &opened.room, key.code).await;
        if matches!(allowed, Err(Denied::Store(StoreError::NotFound))) {
            self.rooms.forget(id);
        }
        allowed?;
        Ok(opened)
    }

    /// Reads a room that was opened, and a page of its messages when a window is given.
    async fn read(&self, room: RoomId, messages: Option<Window>) -> Result<Snapshot, ChatError> {
        let read = self.store.snapshot(room, messages).await;
        if matches!(read, Err(StoreError::NotFound)) {
            self.rooms.forget(room);
        }
        Ok(read?)
    }

    /// Knows a user by its token and gives it the next one.
    async fn authenticate(
        &self,
        client: ClientKey,
        room: &Room,
        user: UserId,
        token: Option<&str>,
        newcomer: Newcomer,
    ) -> Result<AdmittedUser, ChatError> {
        let (admission, tokens) = ask(room, user.clone(), token, newcomer);
        let admitted = self.store.authenticate(admission).await?;
        match tokens.known(&admitted) {
            Some(known) => Ok(known),
            None => Err(self.refused(client, &user, &admitted).await),
        }
    }

    /// Why a user was not admitted. A token for a user that is not there counts as a wrong one, in the same steps, so that
    /// neither the count nor the time tells whether there is such a user.
    async fn refused(&self, client: ClientKey, user: &UserId, admitted: &Admitted) -> ChatError {
        match self.access.record_wrong_token(client, user.as_str()).await {
            Ok(Some(limited)) => limited.into(),
            Ok(None) if matches!(admitted, Admitted::Unknown) => ChatError::UserUnknown,
            Ok(None) => ChatError::TokenInvalid,
            Err(error) => error.into(),
        }
    }

    async fn commit(&self, room: &Room, change: Change) -> Result<Event, StoreError> {
        let commit = Commit { room: room.id, check: EntryTag::random(), change };
        self.store.commit(commit).await.map(Committed::into_event)
    }
}

/// A room whose code was right.
struct Opened {
    room: Arc<Room>,
    /// Its state, if that was read only just now.
    read_now: Option<RoomState>,
}

/// One reader of a room, made by [`Chat::follow`].
pub struct Follower(hub::Follower);

impl Follower {
    /// The next event. `None` when the room has ended; an error, and `None` from then on, when the log does not hold the
    /// reader's position any more. To give up waiting for it loses nothing.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, ChatError>> {
        self.0.next().await.map(|event| event.map_err(ChatError::from))
    }

    /// The room that is followed.
    pub fn room(&self) -> RoomId {
        self.0.room()
    }

    /// The last event again, with its message as it is by now; `None` when [`next`](Self::next) has to read that first.
    pub fn refresh(&mut self, event: &Arc<Event>) -> Option<Arc<Event>> {
        self.0.refresh(event)
    }
}

/// What becomes of a user that is not known.
enum Newcomer {
    /// It is made known, under this name.
    Named(DisplayName),
    Refused,
}

/// The token that a user shows, if any, and the one it is offered.
struct Tokens {
    presented: Option<Token>,
    next_token: Token,
}

impl Tokens {
    /// The user with the token that counts from now on, if it was admitted.
    fn known(&self, admitted: &Admitted) -> Option<AdmittedUser> {
        let chatter = admitted.chatter()?.clone();
        let token = match (admitted, self.presented) {
            (Admitted::Repeated(_, sealed), Some(presented)) => presented.unseal(sealed),
            _ => self.next_token,
        };
        Some(AdmittedUser { chatter, token })
    }
}

/// Puts together who wants to act in a room, and keeps the tokens of which the store sees hashes only.
fn ask(room: &Room, user: UserId, token: Option<&str>, newcomer: Newcomer) -> (Admission, Tokens) {
    let tokens = Tokens { presented: token.and_then(Token::parse), next_token: Token::random() };
    let seal = |token: Token| PresentedToken { hash: token.hash(), sealed_next_token: token.seal(&tokens.next_token) };
    let admission = Admission {
        user,
        presented: tokens.presented.map(seal),
        next_token: tokens.next_token.hash(),
        keep_until: keep_user_until(room),
        newcomer: match newcomer {
            Newcomer::Named(name) => Some(name),
            Newcomer::Refused => None,
        },
    };
    (admission, tokens)
}

/// A user whose token was good, and the token for its next action.
struct AdmittedUser {
    chatter: User,
    token: Token,
}

impl AdmittedUser {
    fn accepted(self, event: Event) -> Accepted {
        Accepted { event, author: self.chatter, token: self.token }
    }
}

/// Waits for a use case as long as a client shall wait. A write that is given up may still happen.
async fn in_time<T, E: Into<ChatError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, ChatError> {
    match tokio::time::timeout(ANSWER_WITHIN, work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(elapsed) => Err(ChatError::Unavailable(elapsed.into())),
    }
}

fn keep_user_until(room: &Room) -> Timestamp {
    room.expires_at.plus(USER_OUTLIVES_ROOM)
}
