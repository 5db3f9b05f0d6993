//! A cache of recently read rooms with the end of their history, from which the last page is read without the database.
//!
//! Reads add rooms, and the writer applies every commit to the rooms that are there. A room is added only if nothing was
//! committed to it since it was read. A read of the database that finds a newer state than the cache removes the room, so that
//! no later read shows an older one.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::domain::event::{Event, EventKind};
use crate::domain::limits::PAGE_MAX;
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::store::{RoomState, Snapshot};

/// Maximum size of all rooms together, and of the messages of one room, in bytes.
const MAX_BYTES: u64 = 16 * 1_024 * 1_024;
const MAX_BYTES_PER_ROOM: usize = 256 * 1_024;

/// Number of counters of commits. Rooms share them: a commit to another room may keep a room from being added.
const VERSIONS: usize = 1_024;

/// The cache.
#[derive(Debug)]
pub(super) struct RecentMessages(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: Cache<RoomId, RecentRoom, BySize>,
    versions: Vec<u64>,
}

#[derive(Debug)]
struct RecentRoom {
    state: RoomState,
    /// The last messages. Shared with running reads, which copy them without the lock.
    messages: Arc<VecDeque<Message>>,
    /// Size of the messages in bytes.
    size: usize,
}

#[derive(Clone, Debug)]
struct BySize;

impl Weighter<RoomId, RecentRoom> for BySize {
    fn weight(&self, _: &RoomId, room: &RecentRoom) -> u64 {
        (size_of::<RecentRoom>() + room.size) as u64
    }
}

/// A committed change of a room.
pub(super) struct CommittedChange {
    pub(super) event: Event,
    /// Distinct users of the room after it.
    pub(super) user_count: u64,
}

impl RecentMessages {
    pub(super) fn new() -> Self {
        let rooms = Cache::with_weighter(1_024, MAX_BYTES, BySize);
        Self(Mutex::new(Inner { rooms, versions: vec![0; VERSIONS] }))
    }

    /// The room and, if a window is given, that page of its messages. `None` if the room or one of the messages is not cached,
    /// or if the room has expired.
    pub(super) fn snapshot(&self, id: RoomId, window: Option<Window>, now: Timestamp) -> Option<Snapshot> {
        let (mut state, messages) = {
            let cache = self.0.lock();
            let room = cache.rooms.get(&id).filter(|room| room.state.room.expires_at > now)?;
            (room.state.clone(), Arc::clone(&room.messages))
        };
        state.now = now;
        let Some(window) = window else { return Some(Snapshot { state, messages: Vec::new() }) };
        let range = window.range(state.message_count);
        let first = state.message_count - messages.len() as u64;
        let (start, end) = (range.start.checked_sub(first)?, range.end.checked_sub(first)?);
        let page = messages.range(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
        Some(Snapshot { state, messages: page.cloned().collect() })
    }

    /// The number of commits to a room so far, for [`insert`](Self::insert).
    pub(super) fn version(&self, id: RoomId) -> u64 {
        self.0.lock().versions[slot(id)]
    }

    /// Adds a room that was read from the database after its `version` was. Keeps the messages if they are the room's last.
    pub(super) fn insert(&self, snapshot: &Snapshot, version: u64) {
        let Snapshot { state, messages } = snapshot;
        let id = state.room.id;
        let are_last = messages.last().is_some_and(|last| last.id.index + 1 == state.message_count);
        let messages: VecDeque<_> = if are_last { messages.iter().cloned().collect() } else { VecDeque::new() };
        let size = messages.iter().map(size_of_message).sum();
        let cache = &mut *self.0.lock();
        let has_more = |room: &RecentRoom| room.state.head == state.head && room.messages.len() >= messages.len();
        if cache.versions[slot(id)] == version
            && size <= MAX_BYTES_PER_ROOM
            && !cache.rooms.peek(&id).is_some_and(has_more)
        {
            cache.rooms.insert(id, RecentRoom { state: state.clone(), messages: Arc::new(messages), size });
        }
    }

    /// Applies changes that are on disk, in their order.
    pub(super) fn apply(&self, changes: &[CommittedChange]) {
        let cache = &mut *self.0.lock();
        for CommittedChange { event, user_count } in changes {
            let id = event.room();
            cache.versions[slot(id)] += 1;
            let Some(mut room) = cache.rooms.peek_mut(&id) else { continue };
            let head = room.state.head.seq;
            if event.position.seq == head.next() {
                room.apply(event, *user_count);
            } else if event.position.seq > head {
                // The change before it is missing.
                drop(room);
                cache.rooms.remove(&id);
            }
            // Otherwise the read that added the room has seen the change already.
        }
        // The cache does not evict rooms when others grow in place. Setting its capacity makes it do so.
        if cache.rooms.weight() > MAX_BYTES {
            cache.rooms.set_capacity(MAX_BYTES);
        }
    }

    /// Removes a room whose state is older than `head`.
    pub(super) fn remove_older(&self, id: RoomId, head: Position) {
        self.0.lock().rooms.remove_if(&id, |room| room.state.head.seq < head.seq);
    }

    /// Removes everything, because it is unknown whether a transaction is on disk.
    pub(super) fn clear(&self) {
        let cache = &mut *self.0.lock();
        cache.rooms.clear();
        // What is being read now may be older.
        cache.versions.iter_mut().for_each(|version| *version += 1);
    }
}

/// The index of a room's counter of commits. Ids are random.
fn slot(id: RoomId) -> usize {
    let [first, second, ..] = *id.as_bytes();
    usize::from(u16::from_be_bytes([first, second])) % VERSIONS
}

impl RecentRoom {
    fn apply(&mut self, event: &Event, user_count: u64) {
        let (state, message) = (&mut self.state, &event.message);
        let first = state.message_count - self.messages.len() as u64;
        let messages = Arc::make_mut(&mut self.messages);
        state.head = event.position;
        state.user_count = user_count;
        if event.kind == EventKind::Sent {
            state.message_count = message.id.index + 1;
            self.size += size_of_message(message);
            messages.push_back(message.clone());
        } else if let Some(changed) = message.id.index.checked_sub(first)
            && let Some(changed) = usize::try_from(changed).ok().and_then(|changed| messages.get_mut(changed))
        {
            self.size = self.size - size_of_message(changed) + size_of_message(message);
            *changed = message.clone();
        }
        while messages.len() > PAGE_MAX as usize || self.size > MAX_BYTES_PER_ROOM {
            let Some(removed) = messages.pop_front() else { break };
            self.size -= size_of_message(&removed);
        }
    }
}

fn size_of_message(message: &Message) -> usize {
    let text = message.text.as_ref().map_or("", MessageText::as_str);
    let client_message_id = message.client_message_id.as_ref().map_or("", ClientMessageId::as_str);
    let strings = [text, client_message_id, message.author.id.as_str(), message.author.display_name.as_str()];
    size_of::<Message>() + strings.map(str::len).iter().sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::message::MessageId;
    use crate::domain::page::Take;
    use crate::domain::position::{EntryTag, Seq};
    use crate::domain::room::{Room, RoomCode};
    use crate::domain::user::{DisplayName, User, UserId};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LAST_TWO: Option<Window> = Some(Window { after: None, before: None, take: Take::Last(2) });

    fn empty_room() -> Snapshot {
        let expires_at = NOW.plus(Duration::from_secs(60));
        let room = Room { id: RoomId::random(), code: RoomCode::random(6), created_at: NOW, expires_at };
        let state = RoomState { room, now: NOW, head: Position::START, message_count: 0, user_count: 0 };
        Snapshot { state, messages: Vec::new() }
    }

    /// Changes the message at `index`, as entry `seq` of the log.
    fn change(room: RoomId, kind: EventKind, seq: u64, index: u64, text: &str) -> CommittedChange {
        let message = Message {
            id: MessageId { room, index },
            author: User { id: UserId::random(), display_name: DisplayName::anonymous() },
            text: Some(MessageText::from_stored(text.to_owned())),
            created_at: NOW,
            edited_at: None,
            deleted_at: None,
            client_message_id: None,
            revision: Seq(seq),
        };
        let position = Position { seq: Seq(seq), tag: EntryTag(seq) };
        CommittedChange { event: Event { kind, position, at: NOW, message }, user_count: seq }
    }

    fn texts(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.messages.iter().filter_map(|message| message.text.as_ref()).map(MessageText::as_str).collect()
    }

    #[test]
    fn changes_are_applied_to_the_last_messages() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        cache.insert(&room, cache.version(id));
        cache.apply(&[1, 2, 3].map(|seq| change(id, EventKind::Sent, seq, seq - 1, &format!("text {seq}"))));
        cache.apply(&[
            change(id, EventKind::Edited, 4, 1, "edited"),
            change(id, EventKind::Edited, 4, 1, "applied twice"),
        ]);
        let found = cache.snapshot(id, LAST_TWO, NOW).expect("the last page");
        assert_eq!(texts(&found), ["edited", "text 3"]);
        let RoomState { head, message_count, user_count, .. } = found.state;
        assert_eq!((head.seq, message_count, user_count), (Seq(4), 3, 4));
        let long = "x".repeat(MAX_BYTES_PER_ROOM);
        cache.apply(&[change(id, EventKind::Sent, 5, 3, &long)]);
        assert!(cache.snapshot(id, LAST_TWO, NOW).is_none(), "a message does not fit");
        assert!(cache.snapshot(id, None, NOW).is_some_and(|found| found.state.message_count == 4));
        assert!(cache.snapshot(id, None, NOW.plus(Duration::from_secs(60))).is_none(), "the room has expired");
    }

    #[test]
    fn an_outdated_room_is_neither_added_nor_kept() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        let version = cache.version(id);
        cache.apply(&[change(id, EventKind::Sent, 1, 0, "text")]);
        cache.insert(&room, version);
        assert!(cache.snapshot(id, None, NOW).is_none(), "it was read before the commit");
        cache.insert(&room, cache.version(id));
        cache.remove_older(id, Position::START);
        assert!(cache.snapshot(id, None, NOW).is_some());
        cache.remove_older(id, Position { seq: Seq(1), tag: EntryTag(1) });
        assert!(cache.snapshot(id, None, NOW).is_none(), "the database has a newer state");
    }

    #[test]
    fn memory_is_bounded() {
        let (cache, text) = (RecentMessages::new(), "x".repeat(MAX_BYTES_PER_ROOM / 4));
        for _ in 0..200 {
            let room = empty_room();
            let id = room.state.room.id;
            cache.insert(&room, cache.version(id));
            for seq in 1..=9 {
                cache.apply(&[change(id, EventKind::Sent, seq, seq - 1, &text)]);
            }
        }
        let cache = cache.0.lock();
        let size: usize =
            cache.rooms.iter().map(|(_, room)| room.messages.iter().map(size_of_message).sum::<usize>()).sum();
        assert!(size as u64 <= MAX_BYTES && cache.rooms.len() > 10, "{size} bytes in {} rooms", cache.rooms.len());
    }
}
