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
use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::store::embedded::entries::CommittedChange;
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
        let size = messages.iter().map(Message::size).sum();
        let cache = &mut *self.0.lock();
        let has_more =
            |room: &RecentRoom| room.state.version() == state.version() && room.messages.len() >= messages.len();
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
        for change in changes {
            let id = change.room();
            cache.versions[slot(id)] += 1;
            let Some(mut room) = cache.rooms.peek_mut(&id) else { continue };
            if !room.apply(change) {
                drop(room);
                cache.rooms.remove(&id);
            }
        }
        // The cache does not evict rooms when others grow in place. Setting its capacity makes it do so.
        if cache.rooms.weight() > MAX_BYTES {
            cache.rooms.set_capacity(MAX_BYTES);
        }
    }

    /// Removes a room whose state is older than this one.
    pub(super) fn remove_older(&self, state: &RoomState) {
        self.0.lock().rooms.remove_if(&state.room.id, |room| {
            room.state.head.seq < state.head.seq || room.state.reaction_changes < state.reaction_changes
        });
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
    /// Applies a change. Returns `false` if the room has ended, or if the change before this one is missing.
    fn apply(&mut self, change: &CommittedChange) -> bool {
        match change {
            CommittedChange::Entry { event, user_count, reaction_changes } => {
                let head = self.state.head.seq;
                // If the number is not larger, the read that added the room has seen the change already.
                if event.position.seq == head.next() {
                    self.state.user_count = *user_count;
                    self.state.reaction_changes = *reaction_changes;
                    self.apply_event(event);
                }
                event.position.seq <= head.next()
            }
            CommittedChange::Reactions { message, reaction_changes, .. } => {
                let next = self.state.reaction_changes + 1;
                if *reaction_changes == next {
                    self.state.reaction_changes = next;
                    self.replace(message);
                    self.remove_excess();
                }
                *reaction_changes <= next
            }
            CommittedChange::Ended(_) => false,
        }
    }

    fn apply_event(&mut self, event: &Event) {
        self.state.head = event.position;
        match &event.kind {
            EventKind::Sent(message) => {
                self.state.message_count = message.id.index + 1;
                self.size += message.size();
                Arc::make_mut(&mut self.messages).push_back(message.clone());
            }
            EventKind::Edited(message) | EventKind::Deleted(message) | EventKind::ReactionsChanged(message) => {
                self.replace(message);
            }
            EventKind::RoomUpdated(settings) => self.state.settings = settings.clone(),
            EventKind::UserBanned(_) | EventKind::UserUnbanned(_) | EventKind::RoomEnded | EventKind::Unknown => {}
        }
        self.remove_excess();
    }

    /// Replaces a message by its new state, if it is here.
    fn replace(&mut self, message: &Message) {
        let first = self.state.message_count - self.messages.len() as u64;
        if let Some(place) = message.id.index.checked_sub(first)
            && let Some(place) = usize::try_from(place).ok().filter(|place| *place < self.messages.len())
        {
            let changed = &mut Arc::make_mut(&mut self.messages)[place];
            self.size = self.size - changed.size() + message.size();
            *changed = message.clone();
        }
    }

    /// Removes the first messages if there are too many.
    fn remove_excess(&mut self) {
        while self.messages.len() > PAGE_MAX as usize || self.size > MAX_BYTES_PER_ROOM {
            let Some(removed) = Arc::make_mut(&mut self.messages).pop_front() else { break };
            self.size -= removed.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::message::{MessageId, MessageText};
    use crate::domain::page::Take;
    use crate::domain::position::{EntryTag, Position, Seq};
    use crate::domain::reaction::{Emoji, ReactionCount};
    use crate::domain::room::{Room, RoomCode, RoomSecret, RoomSettings};
    use crate::domain::token::Token;
    use crate::domain::user::{DisplayName, User, UserId};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LAST_TWO: Option<Window> = Some(Window { after: None, before: None, take: Take::Last(2) });

    fn empty_room() -> Snapshot {
        let room = Room {
            id: RoomId::random(),
            code: RoomCode::random(6),
            owner_token: Token::random().hash(),
            secret: RoomSecret::random(),
            created_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
        };
        let settings = RoomSettings::default();
        let (message_count, user_count, reaction_changes) = (0, 0, 0);
        let head = Position::START;
        let state = RoomState { room, now: NOW, head, message_count, user_count, settings, reaction_changes };
        Snapshot { state, messages: Vec::new() }
    }

    /// The message at `index`, as entry `seq` of the log left it.
    fn message(room: RoomId, seq: u64, index: u64, text: &str) -> Message {
        let author = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
        let message = Message::new(MessageId { room, index }, author, NOW, Seq(seq));
        Message { text: Some(MessageText::from_stored(text.to_owned())), ..message }
    }

    /// Entry `seq` of the log, after `reaction_changes` changes of reactions.
    fn entry(room: RoomId, seq: u64, reaction_changes: u64, kind: EventKind) -> CommittedChange {
        let position = Position { seq: Seq(seq), tag: EntryTag(seq) };
        let event = Arc::new(Event { room, position, at: NOW, kind });
        CommittedChange::Entry { event, user_count: seq, reaction_changes }
    }

    fn sent(room: RoomId, seq: u64, index: u64, text: &str) -> CommittedChange {
        entry(room, seq, 0, EventKind::Sent(message(room, seq, index, text)))
    }

    fn edited(room: RoomId, seq: u64, index: u64, text: &str) -> CommittedChange {
        entry(room, seq, 0, EventKind::Edited(message(room, seq, index, text)))
    }

    /// The message at `index` with `count` reactions.
    fn with_reactions(room: RoomId, index: u64, count: u32) -> Message {
        let reactions = vec![ReactionCount { emoji: Emoji::from_stored("+".to_owned()), count }];
        Message { reactions, reaction_changes: count.into(), ..message(room, 1, index, "text") }
    }

    fn reacted(room: RoomId, index: u64, reaction_changes: u64, count: u32) -> CommittedChange {
        let message = Box::new(with_reactions(room, index, count));
        CommittedChange::Reactions { message, reaction_changes, due: None }
    }

    fn texts(snapshot: &Snapshot) -> Vec<&str> {
        snapshot.messages.iter().filter_map(|message| message.text.as_ref()).map(MessageText::as_str).collect()
    }

    #[test]
    fn changes_are_applied_to_the_last_messages() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        cache.insert(&room, cache.version(id));
        cache.apply(&[1, 2, 3].map(|seq| sent(id, seq, seq - 1, &format!("text {seq}"))));
        cache.apply(&[edited(id, 4, 1, "edited"), edited(id, 4, 1, "applied twice")]);
        let found = cache.snapshot(id, LAST_TWO, NOW).expect("the last page");
        assert_eq!(texts(&found), ["edited", "text 3"]);
        let RoomState { head, message_count, user_count, .. } = found.state;
        assert_eq!((head.seq, message_count, user_count), (Seq(4), 3, 4));
        let long = "x".repeat(MAX_BYTES_PER_ROOM);
        cache.apply(&[sent(id, 5, 3, &long)]);
        assert!(cache.snapshot(id, LAST_TWO, NOW).is_none(), "a message does not fit");
        assert!(cache.snapshot(id, None, NOW).is_some_and(|found| found.state.message_count == 4));
        assert!(cache.snapshot(id, None, NOW.plus(Duration::from_secs(60))).is_none(), "the room has expired");
    }

    #[test]
    fn an_outdated_room_is_neither_added_nor_kept() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        let version = cache.version(id);
        cache.apply(&[sent(id, 1, 0, "text")]);
        cache.insert(&room, version);
        assert!(cache.snapshot(id, None, NOW).is_none(), "it was read before the commit");
        cache.insert(&room, cache.version(id));
        cache.remove_older(&room.state);
        assert!(cache.snapshot(id, None, NOW).is_some());
        let newer = RoomState { head: Position { seq: Seq(1), tag: EntryTag(1) }, ..room.state.clone() };
        cache.remove_older(&newer);
        assert!(cache.snapshot(id, None, NOW).is_none(), "the database has a newer entry");
        cache.insert(&room, cache.version(id));
        cache.remove_older(&RoomState { reaction_changes: 1, ..room.state.clone() });
        assert!(cache.snapshot(id, None, NOW).is_none(), "the database has a newer reaction");
    }

    #[test]
    fn reactions_are_applied_once_and_in_order() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        cache.insert(&room, cache.version(id));
        cache.apply(&[sent(id, 1, 0, "text"), reacted(id, 0, 1, 1), reacted(id, 0, 2, 2), reacted(id, 0, 1, 1)]);
        let find = || cache.snapshot(id, Some(Window::only(0)), NOW);
        assert_eq!(find().expect("the message").messages[0].reactions[0].count, 2);
        cache.apply(&[entry(id, 2, 3, EventKind::ReactionsChanged(with_reactions(id, 0, 3)))]);
        let found = find().expect("the message");
        assert_eq!(
            (found.messages[0].reactions[0].count, found.state.reaction_changes, found.state.head.seq),
            (3, 3, Seq(2))
        );
        cache.apply(&[reacted(id, 0, 5, 5)]);
        assert!(find().is_none(), "a change is missing");
    }

    #[test]
    fn settings_are_applied_and_an_ended_room_is_gone() {
        let (cache, room) = (RecentMessages::new(), empty_room());
        let id = room.state.room.id;
        cache.insert(&room, cache.version(id));
        let locked = RoomSettings { locked: true, ..RoomSettings::default() };
        cache.apply(&[entry(id, 1, 0, EventKind::RoomUpdated(locked))]);
        assert!(cache.snapshot(id, None, NOW).is_some_and(|found| found.state.settings.locked));
        let version = cache.version(id);
        cache.apply(&[CommittedChange::Ended(id)]);
        assert!(cache.snapshot(id, None, NOW).is_none());
        cache.insert(&room, version);
        assert!(cache.snapshot(id, None, NOW).is_none(), "it was read before its end");
    }

    #[test]
    fn memory_is_bounded() {
        let (cache, text) = (RecentMessages::new(), "x".repeat(MAX_BYTES_PER_ROOM / 4));
        for _ in 0..200 {
            let room = empty_room();
            let id = room.state.room.id;
            cache.insert(&room, cache.version(id));
            for seq in 1..=9 {
                cache.apply(&[sent(id, seq, seq - 1, &text)]);
            }
        }
        let cache = cache.0.lock();
        let size: usize =
            cache.rooms.iter().map(|(_, room)| room.messages.iter().map(Message::size).sum::<usize>()).sum();
        assert!(size as u64 <= MAX_BYTES && cache.rooms.len() > 10, "{size} bytes in {} rooms", cache.rooms.len());
    }
}
