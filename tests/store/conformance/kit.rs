//! What the cases are written with: changes, readings, waiting, and saying what was broken.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::{EntryTag, Event, Position, Seq};
use livechat::domain::message::{ClientMessageId, Message, MessageText};
use livechat::domain::page::Window;
use livechat::domain::room::{Room, RoomCode, RoomId};
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::hub::Hub;
use livechat::store::{Change, Commit, Committed, Feed, FeedItem, RoomLimits, RoomState, Store, StoreError};

use super::fixture::Fixture;

/// Which promise was not kept, and how that showed.
pub struct Breach(pub String);

pub type Outcome<T = ()> = Result<T, Breach>;

impl From<StoreError> for Breach {
    fn from(error: StoreError) -> Self {
        Self(format!("an operation failed that should not: {error} ({error:?})"))
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

/// Ends the case with what was broken, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::store::conformance::kit::Breach(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Ends the case, unless both are equal.
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

/// Ends the case, unless the operation was refused with this very error.
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

/// The limits of a room that is not meant to be full.
pub const ROOMY: RoomLimits = RoomLimits { messages: 100_000, events: 300_000, edits: 10_000 };

/// All items of a list.
pub const ALL: Window = Window { after: None, before: None, take: livechat::domain::page::Take::First(1_000_000) };

/// A new room that lives for a day.
pub async fn room(store: &Arc<dyn Store>) -> Outcome<RoomId> {
    Ok(store.create_room(RoomId::random(), &RoomCode::random(6), DAY).await?.room.id)
}

pub fn named_user(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("{name}-with-an-id")),
        display_name: DisplayName::from_stored(format!("{name} with a name")),
    }
}

pub fn text(text: &str) -> MessageText {
    MessageText::from_stored(text.to_owned())
}

pub fn client_id(id: &str) -> ClientMessageId {
    ClientMessageId::from_stored(id.to_owned())
}

fn change(room: RoomId, change: Change) -> Commit {
    Commit { room, tag: EntryTag::random(), change }
}

/// The sending of a message into a roomy room.
pub fn send(room: RoomId, author: &User, words: &str) -> Commit {
    let author = author.clone();
    change(room, Change::Send { author, text: text(words), client_message_id: None, limits: ROOMY })
}

/// The sending of a message with its sender's own id for it.
pub fn send_as(room: RoomId, author: &User, words: &str, id: &str) -> Commit {
    let (author, client_message_id) = (author.clone(), Some(client_id(id)));
    change(room, Change::Send { author, text: text(words), client_message_id, limits: ROOMY })
}

/// The same send into a room that takes `messages` messages only.
pub fn with_capacity(commit: Commit, messages: u64) -> Commit {
    with_limits(commit, RoomLimits { messages, ..ROOMY })
}

/// The same change of a room with these limits.
pub fn with_limits(mut commit: Commit, of_room: RoomLimits) -> Commit {
    if let Change::Send { limits, .. } | Change::Edit { limits, .. } = &mut commit.change {
        *limits = of_room;
    }
    commit
}

/// An edit, decided on the message as given.
pub fn edit(message: &Message, words: &str) -> Commit {
    let index = message.id.index;
    change(message.id.room, Change::Edit { index, revision: message.revision, text: text(words), limits: ROOMY })
}

/// A delete, decided on the message as given.
pub fn delete(message: &Message) -> Commit {
    change(message.id.room, Change::Delete { index: message.id.index, revision: message.revision })
}

/// Commits what must be accepted as new.
pub async fn new(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::New(event) => Ok(event),
        Committed::Repeated(event) => Err(Breach(format!("a new change was taken for a repeat of {event:?}"))),
    }
}

/// Commits what must be known as a repeat.
pub async fn repeated(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::Repeated(event) => Ok(event),
        Committed::New(event) => Err(Breach(format!("a repeat was taken for new: {event:?}"))),
    }
}

/// The whole log of a room.
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

/// All messages of a room, as they are now.
pub async fn messages_of(store: &Arc<dyn Store>, room: RoomId) -> Outcome<Vec<Message>> {
    Ok(store.snapshot(room, Some(ALL)).await?.messages)
}

/// All that a store answers about a room, apart from the time.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub room: Room,
    pub head: Position,
    pub message_count: u64,
    pub user_count: u64,
    pub messages: Vec<Message>,
    pub log: Vec<Event>,
    pub users: Vec<User>,
}

impl Picture {
    pub async fn of(store: &Arc<dyn Store>, id: RoomId) -> Outcome<Self> {
        let snapshot = store.snapshot(id, Some(ALL)).await?;
        let RoomState { room, head, message_count, user_count, .. } = snapshot.state;
        let (log, users) = (log_of(store, id).await?, store.users(id, ALL).await?.users);
        Ok(Self { room, head, message_count, user_count, messages: snapshot.messages, log, users })
    }
}

/// A feed that is read for the announcements of one room.
pub struct Listener {
    feed: Feed,
    room: RoomId,
    /// An answer may come before its announcement, so this one may still be announced after the listening began.
    written_before: Seq,
    patience: Duration,
}

impl Listener {
    /// Listens to `room` through `store` for whatever is committed from now on.
    pub async fn to(on: &dyn Fixture, store: &Arc<dyn Store>, room: RoomId) -> Outcome<Self> {
        let written_before = store.snapshot(room, None).await?.state.head.seq;
        let feed = store.feed();
        store.subscribe(room).await?;
        Ok(Self { feed, room, written_before, patience: on.patience() })
    }

    /// The next announcement of any kind, for whoever minds a `Resync`.
    pub async fn next(&mut self) -> Outcome<FeedItem> {
        let next = within(self.patience, "the next announcement", self.feed.next()).await?;
        next.ok_or_else(|| Breach("the feed ended while its store is there".into()))
    }

    /// The next event of the room. A needless `Resync` costs a reading of the log, but promises nothing wrong.
    pub async fn event(&mut self) -> Outcome<Event> {
        loop {
            if let FeedItem::Event(event) = self.next().await?
                && event.room() == self.room
                && event.position.seq > self.written_before
            {
                return Ok(Event::clone(&event));
            }
        }
    }
}

/// Whether readers of the room are told to read its log again.
pub fn is_resync(announcement: &FeedItem, room: RoomId) -> bool {
    match announcement {
        FeedItem::Resync => true,
        FeedItem::ResyncOf(rooms) => rooms.contains(&room),
        FeedItem::Event(_) => false,
    }
}

/// Waits for what must happen some time.
pub async fn within<T>(patience: Duration, what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    tokio::time::timeout(patience, future).await.map_err(|_| Breach(format!("{what} did not come within {patience:?}")))
}

/// Runs all of them side by side; their results in the same order.
pub async fn side_by_side<T, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
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

/// Sends so many messages into a room of their own.
pub async fn send_many(store: &Arc<dyn Store>, messages: usize) {
    const AT_ONCE: usize = 256;
    let room = room(store).await.expect("a room");
    let author = named_user("busy");
    for sent in (0..messages).step_by(AT_ONCE) {
        let sends = (sent..messages.min(sent + AT_ONCE)).map(|_| store.commit(send(room, &author, "blah")));
        for sent in futures_util::future::join_all(sends).await {
            sent.expect("a commit");
        }
    }
}

/// A reader of a room through a hub.
pub struct Follower {
    follower: livechat::hub::Follower,
    patience: Duration,
}

impl Follower {
    /// Follows `room` behind `after`; without it, from now on.
    pub async fn of(on: &dyn Fixture, hub: &Hub, room: RoomId, after: Option<Position>) -> Outcome<Self> {
        let state = on.store().snapshot(room, None).await?.state;
        let follower = hub.follow(&state, after.unwrap_or(state.head)).await?;
        Ok(Self { follower, patience: on.patience() })
    }

    /// What comes next; `None` at the end.
    pub async fn next(&mut self) -> Outcome<Option<Result<Arc<Event>, StoreError>>> {
        within(self.patience, "the next event of a followed room", self.follower.next()).await
    }

    pub async fn event(&mut self) -> Outcome<Event> {
        match self.next().await? {
            Some(event) => Ok(Event::clone(&*event?)),
            None => Err(Breach("the stream ended while its room is there".into())),
        }
    }

    /// That the next events are these, each once and in this order.
    pub async fn gets(&mut self, expected: &[Event]) -> Outcome {
        for event in expected {
            ensure_eq!(self.event().await?, *event, "the next event of a followed room");
        }
        Ok(())
    }
}
