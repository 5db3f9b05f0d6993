//! The feed: a bounded stream of the events of subscribed rooms.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::domain::event::Event;
use crate::domain::presence::Typing;
use crate::domain::room::RoomId;

/// An item of a [`Feed`].
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// A change of a subscribed room. A feed may also deliver changes of other rooms.
    Event(Arc<Event>),
    /// The owner has ended the room.
    Ended(RoomId),
    /// Reactions in the room changed, and [`log_reactions`](crate::store::Store::log_reactions) is due after this time.
    ReactionsPending(RoomId, Duration),
    /// A user in the room is typing, or has stopped.
    Typing(RoomId, Arc<Typing>),
    /// Another node has reported other users as present in the room.
    PresenceChanged(RoomId),
    /// Events of any room may have been lost. Every subscriber must read its log again.
    Resync,
    /// Events of these rooms may have been lost. Their subscribers must read their logs again.
    ResyncOf(Arc<[RoomId]>),
}

/// A bounded feed of events. A reader that lags too far behind gets `Resync` in place of the dropped items.
#[derive(Debug)]
pub struct Feed(broadcast::Receiver<FeedItem>);

impl Feed {
    /// A feed of the items that `sender` sends from now on.
    pub fn new(sender: &broadcast::Sender<FeedItem>) -> Self {
        Self(sender.subscribe())
    }

    /// Waits for the next item; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<FeedItem> {
        match self.0.recv().await {
            Ok(item) => Some(item),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(FeedItem::Resync),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
