//! What was lately changed of a room's messages, so that a reader who is behind is given each message as it is now.
//!
//! An event holds its message as it was when it was announced or read. By the time a slow reader takes it, this process may
//! have heard that the text was replaced or deleted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::message::Message;

/// Changes that are kept: as many as live events that a reader may lie behind.
const KEPT: usize = super::BACKLOG;

/// Bytes of text in them.
const BYTES: usize = 64 * 1024;

/// The last edits and deletions of one room, and no more than one of each message.
#[derive(Default)]
pub(super) struct Changes {
    /// The number of the last change. Readers look here only, unless their event is older.
    last: AtomicU64,
    /// How often everything was forgotten.
    epoch: AtomicU64,
    kept: Mutex<Kept>,
}

/// What an event is known to show: all changes up to one, unless everything was forgotten since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AsOf {
    pub(super) change: Seq,
    pub(super) epoch: u64,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    changes: VecDeque<Arc<Event>>,
    /// Bytes of text in them.
    bytes: usize,
    /// The number of the newest change that is not kept any more though it was its message's last.
    forgotten: Seq,
}

/// What is known of an event's message.
pub(super) enum Now {
    /// It is as the event shows it.
    AsShown,
    Changed(Message),
    /// It may have been changed since, by an event that is not kept any more.
    Unknown,
}

impl Changes {
    /// What everything shows that is read from the store from now on.
    pub(super) fn as_of(&self) -> AsOf {
        // In the other order as `forget` writes them, so that a change from before is never taken for one from after.
        let change = Seq(self.last.load(Ordering::Acquire));
        AsOf { change, epoch: self.epoch.load(Ordering::Acquire) }
    }

    /// Forgets everything: announcements may have been lost, or a failover may have undone changes that were noted.
    pub(super) fn forget(&self) {
        let mut kept = self.lock();
        *kept = Kept::default();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.last.store(0, Ordering::Release);
    }

    /// Notes an event, before any reader is told of it.
    pub(super) fn note(&self, event: &Arc<Event>) {
        if event.kind == EventKind::Sent {
            return;
        }
        let mut kept = self.lock();
        if let Some(earlier) = kept.changes.iter().position(|change| change.message.id == event.message.id) {
            kept.take(earlier);
        }
        kept.bytes += text_bytes(event);
        kept.changes.push_back(Arc::clone(event));
        while kept.changes.len() > KEPT || kept.bytes > BYTES {
            if let Some(forgotten) = kept.take(0) {
                kept.forgotten = kept.forgotten.max(forgotten.position.seq);
            }
        }
        self.last.fetch_max(event.position.seq.0, Ordering::AcqRel);
    }

    /// What is known of the message of `event`, which shows what `as_of` says.
    pub(super) fn now(&self, event: &Event, as_of: AsOf) -> Now {
        let now = self.as_of();
        if now.epoch != as_of.epoch {
            return Now::Unknown;
        }
        if now.change <= as_of.change {
            return Now::AsShown;
        }
        let kept = self.lock();
        let changed = kept.changes.iter().rfind(|change| change.message.id == event.message.id);
        match changed {
            Some(change) if change.message.revision > event.message.revision => Now::Changed(change.message.clone()),
            Some(_) => Now::AsShown,
            None if kept.forgotten > as_of.change => Now::Unknown,
            None => Now::AsShown,
        }
    }

    /// A panic under the lock leaves changes that are still right.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock()
    }
}

impl Kept {
    fn take(&mut self, index: usize) -> Option<Arc<Event>> {
        let change = self.changes.remove(index)?;
        self.bytes -= text_bytes(&change);
        Some(change)
    }
}

fn text_bytes(event: &Event) -> usize {
    event.message.text.as_ref().map_or(0, |text| text.as_str().len())
}

#[cfg(test)]
mod tests {
    use crate::domain::event::{EntryTag, Position};
    use crate::domain::limits::Limits;
    use crate::domain::message::{MessageId, MessageText};
    use crate::domain::room::RoomId;
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::{DisplayName, User, UserId};

    use super::*;

    fn event(room: RoomId, seq: u64, kind: EventKind, index: u64, text: Option<&str>) -> Arc<Event> {
        let limits = Limits { text: 100_000, ..Limits::default() };
        let at = Timestamp::from_millis(1);
        let message = Message {
            id: MessageId { room, index },
            author: User { id: UserId::random(), display_name: DisplayName::anonymous() },
            text: text.map(|text| MessageText::parse(text, &limits).expect("a text")),
            created_at: at,
            edited_at: None,
            deleted_at: None,
            client_message_id: None,
            revision: Seq(seq),
        };
        Arc::new(Event { kind, position: Position { seq: Seq(seq), check: EntryTag(seq) }, at, message })
    }

    fn text_now(changes: &Changes, event: &Event) -> Option<String> {
        match changes.now(event, AsOf { change: event.position.seq, epoch: changes.as_of().epoch }) {
            Now::AsShown => event.message.text.as_ref().map(|text| text.as_str().to_owned()),
            Now::Changed(message) => message.text.map(|text| text.as_str().to_owned()),
            Now::Unknown => Some("unknown".to_owned()),
        }
    }

    #[test]
    fn an_event_is_known_to_be_as_it_is_until_its_message_is_changed() {
        let (changes, room) = (Changes::default(), RoomId::random());
        let sent = [0, 1].map(|index| event(room, index + 1, EventKind::Sent, index, Some("sent")));
        sent.iter().for_each(|event| changes.note(event));
        let edited = event(room, 3, EventKind::Edited, 0, Some("edited"));
        changes.note(&edited);
        assert_eq!(
            [&*sent[0], &sent[1], &edited].map(|event| text_now(&changes, event).expect("a text")),
            ["edited", "sent", "edited"]
        );
        changes.note(&event(room, 4, EventKind::Deleted, 0, None));
        assert_eq!([&*sent[0], &edited].map(|event| text_now(&changes, event)), [None, None]);
        assert_eq!(text_now(&changes, &sent[1]).as_deref(), Some("sent"));
    }

    #[test]
    fn changes_are_bounded_and_what_is_not_kept_is_said_to_be_unknown() {
        let (changes, room) = (Changes::default(), RoomId::random());
        let sent = event(room, 1, EventKind::Sent, 0, Some("sent"));
        for index in 1..=KEPT as u64 + 1 {
            changes.note(&event(room, index + 1, EventKind::Edited, index, Some("edited")));
        }
        assert_eq!(changes.lock().changes.len(), KEPT);
        assert_eq!(text_now(&changes, &sent).as_deref(), Some("unknown"));
        let read_since = AsOf { change: Seq(3), epoch: 0 };
        assert!(matches!(changes.now(&sent, read_since), Now::AsShown));
        changes.note(&event(room, 100, EventKind::Edited, 500, Some(&"x".repeat(BYTES))));
        let kept = changes.lock();
        assert_eq!((kept.changes.len(), kept.bytes), (1, BYTES));
    }

    #[test]
    fn once_everything_was_forgotten_nothing_is_known_of_what_was_read_before() {
        let (changes, room) = (Changes::default(), RoomId::random());
        let (sent, before) = (event(room, 1, EventKind::Sent, 0, Some("sent")), changes.as_of());
        changes.note(&event(room, 2, EventKind::Deleted, 0, None));
        changes.forget();
        assert!(matches!(changes.now(&sent, before), Now::Unknown));
        assert!(matches!(changes.now(&sent, changes.as_of()), Now::AsShown), "the deletion may have been undone");
    }
}
