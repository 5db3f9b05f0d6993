//! The store's feed: subscribes to the channels of watched rooms, decodes what scripts publish there, and broadcasts it.
//! Connections and re-subscription are in `link::pubsub`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;
use tokio::time::timeout;
use tracing::error;

use crate::critical_tasks::CriticalTasks;
use crate::domain::presence::Typing;
use crate::domain::room::RoomId;
use crate::store::redis::codec::{DecodeError, decode_user, encode_user, put_numbers, take_numbers};
use crate::store::redis::event_codec::decode_event;
use crate::store::redis::keys::Keys;
use crate::store::redis::link::commands::CommandClient;
use crate::store::redis::link::error::{TimedOut, unavailable};
use crate::store::redis::link::pubsub::{PubSub, PubSubEvent};
use crate::store::redis::link::settings::Settings;
use crate::store::redis::scripts::millis;
use crate::store::{Feed, FeedItem, StoreError};

/// Items that a feed may lag behind before it must resync.
const BACKLOG: usize = 4096;

/// The events of watched rooms.
pub struct EventFeed {
    sender: broadcast::Sender<FeedItem>,
    pubsub: PubSub,
    keys: Keys,
    timeout: Duration,
}

impl EventFeed {
    /// Starts the tasks. Must be called within a runtime.
    pub fn start(
        settings: &Settings,
        keys: Keys,
        node: &str,
        commands: &CommandClient,
        critical_tasks: CriticalTasks,
    ) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let (keys_copy, node) = (keys.clone(), node.to_owned());
        let publisher = Publisher { sender: sender.clone(), keys: keys_copy, node, has_logged: AtomicBool::new(false) };
        let pubsub = PubSub::start(settings, commands, critical_tasks, Arc::new(move |event| publisher.handle(event)));
        Self { sender, pubsub, keys, timeout: settings.timeout }
    }

    /// A feed from now on.
    pub fn feed(&self) -> Feed {
        Feed::new(&self.sender)
    }

    /// See [`Store::subscribe`](crate::store::Store::subscribe).
    pub fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        let (active, deadline) = (self.pubsub.subscribe(&self.keys.events_channel(room)), self.timeout);
        Box::pin(async move {
            let Some(active) = active else { return Ok(()) };
            match timeout(deadline, active).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(unsubscribed)) => Err(unavailable(unsubscribed)),
                Err(_) => Err(unavailable(TimedOut(deadline))),
            }
        })
    }

    /// See [`Store::unsubscribe`](crate::store::Store::unsubscribe).
    pub fn unsubscribe(&self, room: RoomId) {
        self.pubsub.unsubscribe(&self.keys.events_channel(room));
    }

    /// Ends the tasks and waits for them.
    pub async fn close(&self) {
        self.pubsub.close().await;
    }
}

/// Turns messages of channels into items of the feed.
struct Publisher {
    sender: broadcast::Sender<FeedItem>,
    keys: Keys,
    /// Identifies this process.
    node: String,
    has_logged: AtomicBool,
}

impl Publisher {
    fn handle(&self, event: PubSubEvent<'_>) {
        match event {
            PubSubEvent::Message { channel, payload } => match self.keys.parse_events_channel(channel) {
                Some(room) => self.publish_payload(room, payload),
                None => self.log_once(&DecodeError("the name of a channel")),
            },
            PubSubEvent::Gap(channels) => {
                let rooms = channels.iter().filter_map(|channel| self.keys.parse_events_channel(channel));
                self.publish(FeedItem::ResyncOf(rooms.collect()));
            }
            PubSubEvent::Malformed => self.log_once(&DecodeError("a push")),
        }
    }

    fn publish_payload(&self, room: RoomId, payload: &[u8]) {
        match decode_payload(room, payload, &self.node) {
            Ok(item) => item.into_iter().for_each(|item| self.publish(item)),
            Err(error) => {
                self.log_once(&error);
                self.publish(FeedItem::ResyncOf([room].into()));
            }
        }
    }

    fn publish(&self, item: FeedItem) {
        // It fails only while there is no feed, when nobody needs the item.
        let _ = self.sender.send(item);
    }

    fn log_once(&self, error: &DecodeError) {
        if !self.has_logged.swap(true, Ordering::Relaxed) {
            error!(%error, "cannot decode a published event; further errors of this kind are not logged");
        }
    }
}

/// Encodes the announcement that a user is typing.
pub fn encode_typing(typing: &Typing) -> Vec<u8> {
    let mut encoded = vec![b'T'];
    put_numbers(&mut encoded, [millis(typing.remaining)]);
    encoded.extend(encode_user(&typing.user).bytes());
    encoded
}

/// Decodes what was published in a room. `None` if it does not concern this node, or only newer versions know what it is.
fn decode_payload(room: RoomId, payload: &[u8], node: &str) -> Result<Option<FeedItem>, DecodeError> {
    let (kind, mut rest) = payload.split_first().ok_or(DecodeError("an announcement"))?;
    Ok(match kind {
        b'a'..=b'z' => Some(FeedItem::Event(Arc::new(decode_event(room, payload)?))),
        b'E' => Some(FeedItem::Ended(room)),
        b'R' => {
            let [due] = take_numbers(&mut rest)?;
            Some(FeedItem::ReactionsPending(room, Duration::from_millis(due)))
        }
        b'T' => {
            let [remaining] = take_numbers(&mut rest)?;
            let user = decode_user(str::from_utf8(rest).map_err(|_| DecodeError("a user"))?)?;
            let typing = Typing { user, remaining: Duration::from_millis(remaining) };
            Some(FeedItem::Typing(room, Arc::new(typing)))
        }
        b'P' if rest != node.as_bytes() => Some(FeedItem::PresenceChanged(room)),
        _ => None,
    })
}
