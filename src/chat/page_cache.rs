//! A cache of pages of messages. A page is valid while the log of its room has the same end, which a small read of the room's
//! state proves.
//!
//! Only pages that are read twice without a change in between are cached: in a room where people write all the time, the read
//! of the state would only precede the read of the page.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::room::RoomId;

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of pages in the cache.
const CACHE_ENTRIES: usize = 4 * 1024;

#[derive(Clone)]
pub(super) struct PageCache(Arc<Cache<Key, Page, Weight>>);

type Key = (RoomId, Window);

/// A page as it was when the log ended with `head`.
#[derive(Clone)]
struct Page {
    head: Position,
    /// `None` if the page was read only once since the room has changed.
    messages: Option<Arc<Vec<Message>>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Page> for Weight {
    fn weight(&self, _: &Key, page: &Page) -> u64 {
        let messages = page.messages.iter().flat_map(|messages| messages.iter());
        (size_of::<Key>() + size_of::<Page>() + messages.map(Message::size).sum::<usize>()) as u64
    }
}

impl PageCache {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight)))
    }

    /// A page, and the end of the log when it was read.
    pub(super) fn find(&self, room: RoomId, window: Window) -> Option<(Position, Arc<Vec<Message>>)> {
        let Page { head, messages } = self.0.get(&(room, window))?;
        Some((head, messages?))
    }

    /// Remembers a page that was read when the log ended with `head`. Of a room that has changed since the page was read last,
    /// only the end of the log is kept.
    pub(super) fn remember(&self, room: RoomId, window: Window, head: Position, messages: &Arc<Vec<Message>>) {
        let is_unchanged = self.0.peek(&(room, window)).is_some_and(|known| known.head == head);
        let messages = is_unchanged.then(|| Arc::clone(messages));
        self.0.insert((room, window), Page { head, messages });
    }
}
