//! One broadcast per room, fed by announcements from Redis.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use tokio::sync::broadcast;

/// Events that a reader may be behind. A reader that lags further is disconnected, and the benchmark fails.
const BACKLOG: usize = 64;

/// The rooms by channel.
pub struct Rooms<T>(Arc<Mutex<HashMap<String, broadcast::Sender<T>>>>);

impl<T> Clone for Rooms<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Send + 'static> Rooms<T> {
    /// Subscribes to the channels of this pattern, and passes each announcement to its room as `parse` returns it.
    pub async fn listen(client: &redis::Client, pattern: &str, parse: fn(String) -> T) -> Self {
        let mut announcements = client.get_async_pubsub().await.expect("a connection to redis-server");
        announcements.psubscribe(pattern).await.expect("a subscription");
        let rooms = Self(Arc::default());
        let fed = rooms.clone();
        tokio::spawn(async move {
            let mut announcements = announcements.into_on_message();
            while let Some(announcement) = announcements.next().await {
                let room = fed.lock().get(announcement.get_channel_name()).cloned();
                if let (Some(room), Ok(text)) = (room, announcement.get_payload()) {
                    // Fails when nobody follows the room.
                    let _ = room.send(parse(text));
                }
            }
        });
        rooms
    }

    /// Follows the room of this channel from now on.
    pub fn subscribe(&self, channel: String) -> broadcast::Receiver<T> {
        self.lock().entry(channel).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, broadcast::Sender<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
