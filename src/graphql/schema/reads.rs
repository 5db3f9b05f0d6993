//! Shares reads within one request: fields that read the same, under any alias, cause one call of the service.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use async_graphql::{Context, Result};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::chat::{ActiveRooms, BanPage, Chat, ChatError, RoomKey, RoomView, UserPage};
use crate::domain::message::MessageId;
use crate::domain::page::Window;
use crate::domain::reaction::Emoji;
use crate::domain::room::{Room, RoomId};
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::request_data::client_key;

/// What one request has read. Belongs in its data; without it, every field reads by itself.
#[derive(Default)]
pub(in crate::graphql) struct Reads {
    rooms: Memo<(String, String, Option<Window>), RoomView>,
    messages: Memo<(RoomId, Window), RoomView>,
    chatters: Memo<(RoomId, Window), UserPage>,
    viewers: Memo<Vec<RoomId>, Vec<u32>>,
    active_rooms: Memo<(u32, Option<String>), ActiveRooms>,
    bans: Memo<(RoomId, String, Option<u64>, u32), BanPage>,
    /// The emoji of a user at each message of a page.
    reactions: Memo<(RoomId, String, Range<u64>), Vec<Vec<Emoji>>>,
}

/// See [`Chat::room`].
pub(super) async fn room(ctx: &Context<'_>, key: RoomKey<'_>, page: Option<Window>) -> Result<Arc<RoomView>> {
    let read = Box::pin(ctx.data::<Chat>()?.room(client_key(ctx), key, page));
    share(ctx, |reads| &reads.rooms, (key.id.to_owned(), key.code.to_owned(), page), read).await
}

/// See [`Chat::messages`].
pub(super) async fn messages(ctx: &Context<'_>, room: &Room, page: Window) -> Result<Arc<RoomView>> {
    let read = Box::pin(ctx.data::<Chat>()?.messages(room, page));
    share(ctx, |reads| &reads.messages, (room.id, page), read).await
}

/// See [`Chat::chatters`].
pub(super) async fn chatters(ctx: &Context<'_>, room: &Room, page: Window) -> Result<Arc<UserPage>> {
    let read = Box::pin(ctx.data::<Chat>()?.chatters(room, page));
    share(ctx, |reads| &reads.chatters, (room.id, page), read).await
}

/// See [`Chat::viewers`].
pub(super) async fn viewers(ctx: &Context<'_>, rooms: &[RoomId]) -> Result<Arc<Vec<u32>>> {
    let read = Box::pin(ctx.data::<Chat>()?.viewers(rooms));
    share(ctx, |reads| &reads.viewers, rooms.to_owned(), read).await
}

/// See [`Chat::active_rooms`].
pub(super) async fn active_rooms(ctx: &Context<'_>, first: u32, after: Option<&str>) -> Result<Arc<ActiveRooms>> {
    let read = Box::pin(ctx.data::<Chat>()?.active_rooms(first, after));
    share(ctx, |reads| &reads.active_rooms, (first, after.map(str::to_owned)), read).await
}

/// See [`Chat::bans`].
pub(super) async fn bans(
    ctx: &Context<'_>,
    room: &Room,
    owner_token: &str,
    after: Option<u64>,
    first: u32,
) -> Result<Arc<BanPage>> {
    let read = Box::pin(ctx.data::<Chat>()?.bans(client_key(ctx), room, owner_token, after, first));
    share(ctx, |reads| &reads.bans, (room.id, owner_token.to_owned(), after, first), read).await
}

/// The emoji with which a user has reacted to a message. They are read for all messages of its page at once.
pub(super) async fn reactions_by(
    ctx: &Context<'_>,
    message: MessageId,
    page: &Range<u64>,
    user_id: &str,
) -> Result<Vec<Emoji>> {
    let chat = ctx.data::<Chat>()?;
    let indexes: Vec<_> = page.clone().collect();
    let read = Box::pin(chat.reactions_by(message.room, user_id, &indexes));
    let of_page = share(ctx, |reads| &reads.reactions, (message.room, user_id.to_owned(), page.clone()), read).await?;
    let place = message.index.checked_sub(page.start).and_then(|place| usize::try_from(place).ok());
    Ok(place.and_then(|place| of_page.get(place)).cloned().unwrap_or_default())
}

/// Runs `read`, unless the request has read `key` before. `read` is boxed: the schema holds the memory of a resolver's future on
/// the stack once for each level of nested fragments.
async fn share<K: Eq + Hash, V>(
    ctx: &Context<'_>,
    memo: impl Fn(&Reads) -> &Memo<K, V>,
    key: K,
    read: Pin<Box<impl Future<Output = Result<V, ChatError>>>>,
) -> Result<Arc<V>> {
    match ctx.data_opt::<Reads>() {
        Some(reads) => memo(reads).get(key, read).await,
        None => read.await.map(Arc::new).map_err(chat_error),
    }
}

/// Reads by key. A failure is kept as well: the same read would fail again.
struct Memo<K, V>(Mutex<HashMap<K, Read<V>>>);

/// A read that is under way or done.
type Read<V> = Arc<OnceCell<Result<Arc<V>>>>;

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Memo<K, V> {
    /// The value for `key`. Only the first call runs `read`; the others wait for it.
    async fn get(&self, key: K, read: impl Future<Output = Result<V, ChatError>>) -> Result<Arc<V>> {
        let cell = {
            let mut reads = self.0.lock();
            Arc::clone(reads.entry(key).or_default())
        };
        let read = async { read.await.map(Arc::new).map_err(chat_error) };
        cell.get_or_init(|| read).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn equal_reads_run_once_even_if_they_fail() {
        let (memo, reads) = (Memo::<u32, u32>::default(), AtomicUsize::new(0));
        let read = async |n: u32| {
            reads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if n == 0 { Err(ChatError::RoomNotFound) } else { Ok(n * 2) }
        };
        let values = join_all((0..30).map(|n| memo.get(n % 3, read(n % 3)))).await;
        for (n, value) in values.into_iter().enumerate() {
            match n % 3 {
                0 => assert!(value.is_err()),
                n => assert_eq!(value.map(|value| *value as usize).ok(), Some(n * 2)),
            }
        }
        assert_eq!(reads.load(Ordering::SeqCst), 3);
    }
}
