//! Recent changes of a room's messages, so that a slow reader gets each message as it is now.
//!
//! An event holds its message as it was when the event was announced or read. By the time a slow reader takes it, this
//! process may have learned that the text was replaced or deleted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::position::Seq;

/// Changes kept: as many as a reader may lag behind.
const MAX_CHANGES: usize = crate::hub::broadcast::CAPACITY;

/// Bytes of messages in them.
const MAX_BYTES: usize = 96 * 1024;

/// The last edits, deletions and changes of reactions of one room, at most one per message.
#[derive(Default)]
pub(super) struct RecentChanges {
    /// The number of the last change. A reader whose event is not older needs no lock.
    last: AtomicU64,
    /// Twice the number of times that everything was forgotten; odd while that happens. So a number is never read together with
    /// the epoch of another.
    epoch: AtomicU64,
    kept: Mutex<Kept>,
}

/// The changes that an event is known to show: those up to `seq`, if nothing was forgotten since `epoch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AsOf {
    pub(super) seq: Seq,
    pub(super) epoch: u64,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    changes: VecDeque<Arc<Event>>,
    /// Bytes of messages in them.
    bytes: usize,
    /// The number of the newest change that was dropped for lack of space while it was the last of its message.
    dropped: Seq,
}

/// What is known of an event's message.
enum CurrentMessage {
    /// It is as the event shows it.
    Unchanged,
    Changed(Box<Message>),
    /// It may have been changed by an event that is no longer kept.
    Unknown,
}

impl RecentChanges {
    /// The changes shown by everything that is read from the store from now on.
    pub(super) fn as_of(&self) -> AsOf {
        let epoch = self.epoch.load(Ordering::Acquire);
        let seq = Seq(self.last.load(Ordering::Acquire));
        if epoch.is_multiple_of(2) && epoch == self.epoch.load(Ordering::Acquire) {
            return AsOf { seq, epoch };
        }
        // Everything is being forgotten just now, which takes the lock.
        let _kept = self.kept.lock();
        AsOf { seq: Seq(self.last.load(Ordering::Acquire)), epoch: self.epoch.load(Ordering::Acquire) }
    }

    /// Forgets everything: announcements may have been lost, or a failover may have undone recorded changes.
    pub(super) fn forget(&self) {
        let mut kept = self.kept.lock();
        *kept = Kept::default();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.last.store(0, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Records an event. Must happen before any reader gets it.
    pub(super) fn record(&self, event: &Arc<Event>) {
        let (EventKind::Edited(message) | EventKind::Deleted(message) | EventKind::ReactionsChanged(message)) =
            &event.kind
        else {
            return;
        };
        let mut kept = self.kept.lock();
        if let Some(earlier) = kept.changes.iter().position(|change| is_about(change, message)) {
            kept.remove(earlier);
        }
        kept.bytes += size(event);
        kept.changes.push_back(Arc::clone(event));
        while kept.changes.len() > MAX_CHANGES || kept.bytes > MAX_BYTES {
            if let Some(dropped) = kept.remove(0) {
                kept.dropped = kept.dropped.max(dropped.position.seq);
            }
        }
        self.last.fetch_max(event.position.seq.0, Ordering::AcqRel);
    }

    /// Returns `event`, which shows the changes up to `as_of`, with its message as it is now. `None` if that is not known here.
    pub(super) fn update(&self, event: Arc<Event>, as_of: AsOf) -> Option<Arc<Event>> {
        match self.current_message(&event, as_of) {
            CurrentMessage::Unchanged => Some(event),
            CurrentMessage::Changed(message) => Some(Arc::new(event.with_message(*message))),
            CurrentMessage::Unknown => None,
        }
    }

    fn current_message(&self, event: &Event, as_of: AsOf) -> CurrentMessage {
        let Some(shown) = event.message() else { return CurrentMessage::Unchanged };
        let now = self.as_of();
        if now.epoch != as_of.epoch {
            return CurrentMessage::Unknown;
        }
        if now.seq <= as_of.seq {
            return CurrentMessage::Unchanged;
        }
        let kept = self.kept.lock();
        let last =
            kept.changes.iter().rev().filter_map(|change| change.message()).find(|message| message.id == shown.id);
        match last {
            Some(message) if message.is_newer_than(shown) => CurrentMessage::Changed(Box::new(message.clone())),
            Some(_) => CurrentMessage::Unchanged,
            None if kept.dropped > as_of.seq => CurrentMessage::Unknown,
            None => CurrentMessage::Unchanged,
        }
    }
}

impl Kept {
    fn remove(&mut self, index: usize) -> Option<Arc<Event>> {
        let change = self.changes.remove(index)?;
        self.bytes -= size(&change);
        Some(change)
    }
}

fn is_about(event: &Event, message: &Message) -> bool {
    event.message().is_some_and(|about| about.id == message.id)
}

fn size(event: &Event) -> usize {
    event.message().map_or(0, Message::size)
}

#[cfg(test)]
mod tests {
    use crate::domain::limits::Limits;
    use crate::domain::message::{MessageId, MessageText};
    use crate::domain::position::{EntryTag, Position};
    use crate::domain::room::RoomId;
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::{DisplayName, User, UserId};

    use super::*;

    fn event(
        room: RoomId,
        seq: u64,
        kind: impl FnOnce(Message) -> EventKind,
        index: u64,
        text: Option<&str>,
    ) -> Arc<Event> {
        let limits = Limits { text: 100_000, ..Limits::default() };
        let at = Timestamp::from_millis(1);
        let author = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
        let message = Message {
            text: text.map(|text| MessageText::parse(text, &limits).expect("a text")),
            ..Message::new(MessageId { room, index }, author, at, Seq(seq))
        };
        Arc::new(Event { room, kind: kind(message), position: Position { seq: Seq(seq), tag: EntryTag(seq) }, at })
    }

    fn text_now(changes: &RecentChanges, event: &Event) -> Option<String> {
        match changes.current_message(event, AsOf { seq: event.position.seq, epoch: changes.as_of().epoch }) {
            CurrentMessage::Unchanged => event.message()?.text.as_ref().map(|text| text.as_str().to_owned()),
            CurrentMessage::Changed(message) => message.text.map(|text| text.as_str().to_owned()),
            CurrentMessage::Unknown => Some("unknown".to_owned()),
        }
    }

    #[test]
    fn an_event_shows_the_latest_change_of_its_message() {
        let (changes, room) = (RecentChanges::default(), RoomId::random());
        let sent = [0, 1].map(|index| event(room, index + 1, EventKind::Sent, index, Some("sent")));
        sent.iter().for_each(|event| changes.record(event));
        let edited = event(room, 3, EventKind::Edited, 0, Some("edited"));
        changes.record(&edited);
        assert_eq!(
            [&*sent[0], &sent[1], &edited].map(|event| text_now(&changes, event).expect("a text")),
            ["edited", "sent", "edited"]
        );
        changes.record(&event(room, 4, EventKind::Deleted, 0, None));
        assert_eq!([&*sent[0], &edited].map(|event| text_now(&changes, event)), [None, None]);
        assert_eq!(text_now(&changes, &sent[1]).as_deref(), Some("sent"));
    }

    #[test]
    fn memory_is_bounded_and_a_dropped_change_makes_the_message_unknown() {
        let (changes, room) = (RecentChanges::default(), RoomId::random());
        let sent = event(room, 1, EventKind::Sent, 0, Some("sent"));
        for index in 1..=MAX_CHANGES as u64 + 1 {
            changes.record(&event(room, index + 1, EventKind::Edited, index, Some("edited")));
        }
        assert_eq!(changes.kept.lock().changes.len(), MAX_CHANGES);
        assert_eq!(text_now(&changes, &sent).as_deref(), Some("unknown"));
        let read_since = AsOf { seq: Seq(3), epoch: 0 };
        assert!(matches!(changes.current_message(&sent, read_since), CurrentMessage::Unchanged));
        changes.record(&event(room, 100, EventKind::Edited, 500, Some(&"x".repeat(MAX_BYTES))));
        let kept = changes.kept.lock();
        assert_eq!(kept.changes.len(), 0);
    }

    #[test]
    fn after_everything_was_forgotten_earlier_events_are_unknown() {
        let (changes, room) = (RecentChanges::default(), RoomId::random());
        let (sent, before) = (event(room, 1, EventKind::Sent, 0, Some("sent")), changes.as_of());
        changes.record(&event(room, 2, EventKind::Deleted, 0, None));
        changes.forget();
        assert!(matches!(changes.current_message(&sent, before), CurrentMessage::Unknown));
        assert!(
            matches!(changes.current_message(&sent, changes.as_of()), CurrentMessage::Unchanged),
            "the deletion may have been undone"
        );
    }
}
