//! Helpers for the cases: changes, reads, waits and checks.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::Event;
use livechat::domain::message::{ClientMessageId, Message, MessageText};
use livechat::domain::page::Window;
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings};
use livechat::domain::token::Token;
use livechat::domain::user::{DisplayName, Role, User, UserId};
use livechat::hub::Hub;
use livechat::store::{
    Actor, Change, Commit, Committed, Feed, FeedItem, NewRoom, RoomLimits, RoomState, Store, StoreError,
};

use super::fixture::Fixture;

/// A broken promise of the contract.
pub struct Breach(pub String);

pub type Outcome<T = ()> = Result<T, Breach>;

impl From<StoreError> for Breach {
    fn from(error: StoreError) -> Self {
        Self(format!("an operation failed unexpectedly: {error} ({error:?})"))
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::store::conformance::kit::Breach(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Fails the case unless both are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                let message = format!($($message)+);
                return Err($crate::store::conformance::kit::Breach(format!("{message}: {left:?} is not {right:?}")));
            }
        }
    };
}
pub(crate) use ensure_eq;

/// Fails the case unless the operation was refused with this error.
macro_rules! ensure_refused {
    ($result:expr, $error:pat, $($message:tt)+) => {
        match $result {
            Err($error) => {}
            other => {
                let message = format!($($message)+);
                let expected = stringify!($error);
                return Err($crate::store::conformance::kit::Breach(format!("{message}: {other:?} instead of {expected}")));
            }
        }
    };
}
pub(crate) use ensure_refused;

pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Limits that no case reaches by accident.
pub const ROOMY: RoomLimits = RoomLimits { messages: 100_000, events: 300_000, edits: 10_000 };

/// All items of a list.
pub const ALL: Window = Window { after: None, before: None, take: livechat::domain::page::Take::First(1_000_000) };

/// Creates a room that lives for a day.
pub async fn room(store: &Arc<dyn Store>) -> Outcome<RoomId> {
    Ok(store.create_room(new_room(RoomId::random(), &RoomCode::random(6), DAY)).await?.room.id)
}

pub fn named_user(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("{name}-with-an-id")),
        display_name: DisplayName::from_stored(format!("{name} with a name")),
        avatar_url: None,
    }
}

/// A room to create, with default settings.
pub fn new_room(id: RoomId, code: &RoomCode, ttl: Duration) -> NewRoom {
    let (owner_token, secret) = (Token::random().hash(), RoomSecret::random());
    NewRoom { id, code: code.clone(), ttl, owner_token, secret, settings: RoomSettings::default() }
}

/// A user who acts from an unknown address.
pub fn actor(user: &User) -> Actor {
    Actor { user: user.clone(), is_owner: false, address: None }
}

/// The message of an event that has one.
pub fn message_of(event: &Event) -> &Message {
    event.message().expect("an event of a message")
}

/// The message of an event that has one.
pub fn into_message(event: Event) -> Message {
    message_of(&event).clone()
}

pub fn text(text: &str) -> MessageText {
    MessageText::from_stored(text.to_owned())
}

pub fn client_id(id: &str) -> ClientMessageId {
    ClientMessageId::from_stored(id.to_owned())
}

/// The commit of a change.
pub fn change(room: RoomId, change: Change) -> Commit {
    Commit { room, tag: EntryTag::random(), change }
}

/// A send with [`ROOMY`] limits.
pub fn send(room: RoomId, author: &User, words: &str) -> Commit {
    let author = actor(author);
    change(room, Change::Send { author, text: text(words), client_message_id: None, reply_to: None, limits: ROOMY })
}

/// A send with a client message id.
pub fn send_with_id(room: RoomId, author: &User, words: &str, id: &str) -> Commit {
    let (author, client_message_id) = (actor(author), Some(client_id(id)));
    change(room, Change::Send { author, text: text(words), client_message_id, reply_to: None, limits: ROOMY })
}

/// The same send with a limit of `messages` messages.
pub fn with_capacity(commit: Commit, messages: u64) -> Commit {
    with_limits(commit, RoomLimits { messages, ..ROOMY })
}

/// The same change with other limits.
pub fn with_limits(mut commit: Commit, new_limits: RoomLimits) -> Commit {
    match &mut commit.change {
        Change::Send { limits, .. }
        | Change::Edit { limits, .. }
        | Change::Update { limits, .. }
        | Change::Ban { limits, .. }
        | Change::Unban { limits, .. } => *limits = new_limits,
        Change::Delete { .. } => {}
    }
    commit
}

/// An edit of the message at its given revision.
pub fn edit(message: &Message, words: &str) -> Commit {
    let (editor, index, revision) = (actor(&message.author), message.id.index, message.revision);
    change(message.id.room, Change::Edit { editor, index, revision, text: text(words), limits: ROOMY })
}

/// A deletion of the message at its given revision, by its author.
pub fn delete(message: &Message) -> Commit {
    let (by, index, revision) = (Role::Member, message.id.index, message.revision);
    change(message.id.room, Change::Delete { by, index, revision })
}

/// Commits a change, which must be new.
pub async fn commit_new(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::New(event) => Ok(event),
        Committed::Repeated(event) => Err(Breach(format!("a new change was treated as a repeat of {event:?}"))),
    }
}

/// Commits a change, which must be a repeat.
pub async fn commit_repeated(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::Repeated(event) => Ok(event),
        Committed::New(event) => Err(Breach(format!("a repeat was treated as new: {event:?}"))),
    }
}

/// Reads the whole log of a room.
pub async fn log_of(store: &Arc<dyn Store>, room: RoomId) -> Outcome<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Position::START, |event| event.position);
        let page = store.read_log(room, after, 100).await?;
        let at_end = page.len() < 100;
        events.extend(page);
        if at_end {
            return Ok(events);
        }
    }
}

/// Reads all messages of a room.
pub async fn messages_of(store: &Arc<dyn Store>, room: RoomId) -> Outcome<Vec<Message>> {
    Ok(store.snapshot(room, Some(ALL)).await?.messages)
}

/// Everything that a store returns about a room, except the time.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomContents {
    pub room: Room,
    pub head: Position,
    pub message_count: u64,
    pub user_count: u64,
    pub messages: Vec<Message>,
    pub log: Vec<Event>,
    pub users: Vec<User>,
    pub settings: RoomSettings,
    pub reaction_changes: u64,
}

impl RoomContents {
    pub async fn read(store: &Arc<dyn Store>, id: RoomId) -> Outcome<Self> {
        let snapshot = store.snapshot(id, Some(ALL)).await?;
        let RoomState { room, head, message_count, user_count, settings, reaction_changes, now: _ } = snapshot.state;
        let (log, users) = (log_of(store, id).await?, store.users(id, ALL).await?.users);
        let messages = snapshot.messages;
        Ok(Self { room, head, message_count, user_count, messages, log, users, settings, reaction_changes })
    }
}

/// Reads the events of one room from a feed.
pub struct FeedReader {
    feed: Feed,
    room: RoomId,
    /// Events up to here may still arrive, because a commit can return before its event is delivered.
    written_before: Seq,
    timeout: Duration,
}

impl FeedReader {
    /// Subscribes to `room` through `store`.
    pub async fn open(on: &dyn Fixture, store: &Arc<dyn Store>, room: RoomId) -> Outcome<Self> {
        let written_before = store.snapshot(room, None).await?.state.head.seq;
        let feed = store.feed();
        store.subscribe(room).await?;
        Ok(Self { feed, room, written_before, timeout: on.timeout() })
    }

    /// The next item, including a `Resync`.
    pub async fn next(&mut self) -> Outcome<FeedItem> {
        let next = with_timeout(self.timeout, "the next item of the feed", self.feed.next()).await?;
        next.ok_or_else(|| Breach("the feed ended before its store".into()))
    }

    /// The next event of the room. Skips `Resync`, which is always allowed.
    pub async fn event(&mut self) -> Outcome<Event> {
        loop {
            if let FeedItem::Event(event) = self.next().await?
                && event.room == self.room
                && event.position.seq > self.written_before
            {
                return Ok(Event::clone(&event));
            }
        }
    }
}

/// Whether subscribers of the room must read its log again.
pub fn is_resync(item: &FeedItem, room: RoomId) -> bool {
    match item {
        FeedItem::Resync => true,
        FeedItem::ResyncOf(rooms) => rooms.contains(&room),
        _ => false,
    }
}

/// Waits for `future`, which must finish within `timeout`.
pub async fn with_timeout<T>(timeout: Duration, what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    tokio::time::timeout(timeout, future).await.map_err(|_| Breach(format!("{what} did not come within {timeout:?}")))
}

/// Runs all futures concurrently. Returns their results in the same order.
pub async fn run_concurrently<T, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("no panic in a task of a case"));
    }
    results
}

/// Sends this many messages to a new room.
pub async fn send_many(store: &Arc<dyn Store>, messages: usize) {
    const CONCURRENCY: usize = 256;
    let room = room(store).await.expect("a room");
    let author = named_user("busy");
    for sent in (0..messages).step_by(CONCURRENCY) {
        let sends = (sent..messages.min(sent + CONCURRENCY)).map(|_| store.commit(send(room, &author, "blah")));
        for sent in futures_util::future::join_all(sends).await {
            sent.expect("a commit");
        }
    }
}

/// A subscriber of a room through a hub.
pub struct Follower {
    follower: livechat::hub::Follower,
    timeout: Duration,
}

impl Follower {
    /// Follows `room` after `after`, or from now on.
    pub async fn open(on: &dyn Fixture, hub: &Hub, room: RoomId, after: Option<Position>) -> Outcome<Self> {
        let state = on.store().snapshot(room, None).await?.state;
        let follower = hub.follow(&state, after.unwrap_or(state.head)).await?;
        Ok(Self { follower, timeout: on.timeout() })
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Outcome<Option<Result<Arc<Event>, StoreError>>> {
        with_timeout(self.timeout, "the next event of a followed room", self.follower.next()).await
    }

    pub async fn event(&mut self) -> Outcome<Event> {
        match self.next().await? {
            Some(event) => Ok(Event::clone(&*event?)),
            None => Err(Breach("the stream ended before its room".into())),
        }
    }

    /// Ensures that these are the next events, in this order.
    pub async fn expect_events(&mut self, expected: &[Event]) -> Outcome {
        for event in expected {
            ensure_eq!(self.event().await?, *event, "the next event of a followed room");
        }
        Ok(())
    }
}
