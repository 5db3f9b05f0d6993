//! Reads rooms, their feeds, and their events through a hub.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::Event;
use livechat::domain::message::Message;
use livechat::domain::position::{Position, Seq};
use livechat::domain::room::{Room, RoomId, RoomSettings};
use livechat::domain::user::User;
use livechat::hub::Hub;
use livechat::store::{Feed, FeedItem, RoomState, Store, StoreError};

use super::super::fixture::Fixture;
use super::{ALL, Breach, Outcome, ensure_eq, with_timeout};

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
