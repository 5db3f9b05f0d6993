//! What one request has read. Fields that ask for the same share one reading, however many aliases they have.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::{Context, Result};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::chat::{ActiveRooms, Chat, ChatError, RoomKey, Snapshot, UserPage};
use crate::domain::client_key::ClientKey;
use crate::domain::page::Window;
use crate::domain::room::{Room, RoomId};
use crate::graphql::schema::error::chat_error;

/// In the data of a request.
#[derive(Default)]
pub(in crate::graphql) struct Reads {
    rooms: Memo<(String, String, Option<Window>), Snapshot>,
    messages: Memo<(RoomId, Window), Snapshot>,
    chatters: Memo<(RoomId, Window), UserPage>,
    viewers: Memo<RoomId, u32>,
    active_rooms: Memo<(u32, Option<String>), ActiveRooms>,
    viewers_of_active_rooms: Memo<(u32, Option<String>), Vec<u32>>,
}

impl Reads {
    /// See [`Chat::room`].
    pub(in crate::graphql) async fn room(
        ctx: &Context<'_>,
        key: RoomKey<'_>,
        page: Option<Window>,
    ) -> Result<Arc<Snapshot>> {
        let (chat, client) = (ctx.data::<Chat>()?, *ctx.data::<ClientKey>()?);
        let memo = &ctx.data::<Self>()?.rooms;
        memo.get((key.id.to_owned(), key.code.to_owned(), page), chat.room(client, key, page)).await
    }

    /// See [`Chat::messages`].
    pub(in crate::graphql) async fn messages(ctx: &Context<'_>, room: &Room, page: Window) -> Result<Arc<Snapshot>> {
        ctx.data::<Self>()?.messages.get((room.id, page), ctx.data::<Chat>()?.messages(room, page)).await
    }

    /// See [`Chat::chatters`].
    pub(in crate::graphql) async fn chatters(ctx: &Context<'_>, room: &Room, page: Window) -> Result<Arc<UserPage>> {
        ctx.data::<Self>()?.chatters.get((room.id, page), ctx.data::<Chat>()?.chatters(room, page)).await
    }

    /// The viewers of one room. See [`Chat::viewers`].
    pub(in crate::graphql) async fn viewers(ctx: &Context<'_>, room: RoomId) -> Result<u32> {
        let chat = ctx.data::<Chat>()?;
        let read = async { Ok(chat.viewers(&[room]).await?.into_iter().sum()) };
        ctx.data::<Self>()?.viewers.get(room, read).await.map(|viewers| *viewers)
    }

    /// See [`Chat::active_rooms`].
    pub(in crate::graphql) async fn active_rooms(
        ctx: &Context<'_>,
        first: u32,
        after: Option<&str>,
    ) -> Result<Arc<ActiveRooms>> {
        let read = ctx.data::<Chat>()?.active_rooms(first, after);
        ctx.data::<Self>()?.active_rooms.get((first, after.map(str::to_owned)), read).await
    }

    /// The viewers of all rooms of a page that [`active_rooms`](Self::active_rooms) has read, in the same order.
    pub(in crate::graphql) async fn viewers_of_active_rooms(
        ctx: &Context<'_>,
        first: u32,
        after: Option<&str>,
        page: &ActiveRooms,
    ) -> Result<Arc<Vec<u32>>> {
        let chat = ctx.data::<Chat>()?;
        let rooms: Vec<_> = page.rooms.iter().map(|state| state.room.id).collect();
        let read = async { chat.viewers(&rooms).await };
        ctx.data::<Self>()?.viewers_of_active_rooms.get((first, after.map(str::to_owned)), read).await
    }
}

/// Readings by what was asked for. A failure is remembered as well: to ask again within the same request would fail again.
struct Memo<K, V>(Mutex<HashMap<K, Reading<V>>>);

/// A reading that is under way or done.
type Reading<V> = Arc<OnceCell<Result<Arc<V>>>>;

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Memo<K, V> {
    /// What was read for `key`. Only the first to ask runs `read`; the others wait for it.
    async fn get(&self, key: K, read: impl Future<Output = Result<V, ChatError>>) -> Result<Arc<V>> {
        let reading = {
            let mut readings = self.0.lock();
            Arc::clone(readings.entry(key).or_default())
        };
        let read = async { read.await.map(Arc::new).map_err(chat_error) };
        reading.get_or_init(|| read).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn who_asks_for_the_same_shares_one_reading_even_if_it_fails() {
        let (memo, readings) = (Memo::<u32, u32>::default(), AtomicUsize::new(0));
        let read = async |n: u32| {
            readings.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if n == 0 { Err(ChatError::RoomNotFound) } else { Ok(n * 2) }
        };
        let asked = join_all((0..30).map(|n| memo.get(n % 3, read(n % 3)))).await;
        for (n, answer) in asked.into_iter().enumerate() {
            match n % 3 {
                0 => assert!(answer.is_err()),
                n => assert_eq!(answer.map(|answer| *answer as usize).ok(), Some(n * 2)),
            }
        }
        assert_eq!(readings.load(Ordering::SeqCst), 3);
    }
}
