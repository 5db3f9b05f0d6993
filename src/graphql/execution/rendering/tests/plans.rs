//! A plan renders an event exactly as the schema does.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tokio::runtime::{Builder, Runtime};

use super::documents::Writer;
use super::*;
use crate::domain::ban::{Ban, BanReason};
use crate::domain::message::{ClientMessageId, MessageText};
use crate::domain::reaction::{Emoji, ReactionCount};
use crate::domain::room::{RoomSettings, RoomTitle};
use crate::domain::user::{AvatarUrl, Role};

/// A text with the characters that JSON escapes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        select(vec!["", "\"quoted\" \\", "line\nand\ttab\u{7f}\0", "</é漢\u{1f600}\u{2028}>"]).prop_map(str::to_owned)
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_u64).prop_map(Timestamp::from_millis)
}

fn user() -> impl Strategy<Value = User> {
    let id = prop_oneof![text(), text().prop_map(|id| format!("@{id}"))];
    (id, text(), option::of(text())).prop_map(|(id, name, avatar_url)| User {
        id: UserId::from_stored(id),
        display_name: DisplayName::from_stored(name),
        avatar_url: avatar_url.map(AvatarUrl::from_stored),
    })
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Member, Role::Owner])
}

fn messages() -> impl Strategy<Value = Message> {
    let reaction = (select(vec!["👍", "❤️"]), any::<u32>())
        .prop_map(|(emoji, count)| ReactionCount { emoji: Emoji::from_stored(emoji.to_owned()), count });
    let times = (time(), option::of(time()), option::of(time()));
    let rest = (option::of(text()), option::of(text()), option::of(any::<u64>()), vec(reaction, 0..3));
    (any::<u64>(), user(), role(), option::of(role()), times, rest).prop_map(
        |(index, author, author_role, deleted_by, times, (text, client_message_id, reply_to, reactions))| {
            let (created_at, edited_at, deleted_at) = times;
            let id = MessageId { room: RoomId::random(), index };
            Message {
                author_role,
                text: text.map(MessageText::from_stored),
                edited_at,
                deleted_at,
                deleted_by,
                client_message_id: client_message_id.map(ClientMessageId::from_stored),
                reply_to,
                reactions,
                ..Message::new(id, author, created_at, Seq(1))
            }
        },
    )
}

fn settings() -> impl Strategy<Value = RoomSettings> {
    (option::of(text()), any::<bool>(), option::of(any::<u32>()), any::<u32>(), any::<bool>()).prop_map(
        |(title, listed, capacity, slow_mode_seconds, locked)| RoomSettings {
            title: title.map(RoomTitle::from_stored),
            listed,
            capacity,
            slow_mode_seconds,
            locked,
        },
    )
}

fn bans() -> impl Strategy<Value = Ban> {
    let content = (user(), time(), option::of(time()), option::of(text()));
    content.prop_map(|(user, at, until, reason)| Ban { user, at, until, reason: reason.map(BanReason::from_stored) })
}

/// An event of every kind.
fn events() -> impl Strategy<Value = Vec<Arc<Event>>> {
    (messages(), settings(), bans()).prop_map(|(message, settings, ban)| {
        let of_messages = [EventKind::Sent, EventKind::Edited, EventKind::Deleted, EventKind::ReactionsChanged];
        let mut kinds: Vec<_> = of_messages.into_iter().map(|kind| kind(message.clone())).collect();
        kinds.push(EventKind::RoomUpdated(settings));
        kinds.push(EventKind::UserUnbanned(ban.user.clone()));
        kinds.push(EventKind::UserBanned(ban));
        kinds.push(EventKind::RoomEnded);
        kinds.into_iter().map(event).collect()
    })
}

/// Renders events by the plan of a document and by the schema, and asserts that the results are equal. Returns whether there is a
/// plan.
fn compare(runtime: &Runtime, renderings: &Renderings, query: &str, events: &[Arc<Event>]) -> bool {
    let Some(mut by_schema) = operation(query) else { return false };
    let Some(plan) = by_schema.plan.take() else { return false };
    for event in events.iter().filter(|event| by_schema.root.name.delivers(&event.kind)) {
        let planned = renderings.make_from_plan(&plan, event).expect("a rendering");
        let turns = renderings.turns().of(event.room);
        let executed = renderings.make(&by_schema, &turns, Item::Event(Arc::clone(event)));
        let executed = runtime.block_on(executed).expect("a rendering");
        assert_eq!((&planned.payload, &planned.cursor), (&executed.payload, &executed.cursor), "{query}");
        assert!(!planned.payload.contains("\"errors\":["), "{query} {}", planned.payload);
    }
    true
}

/// Everything of every kind of event, in the form in which clients ask for it.
const EVERYTHING: &str = "subscription Everything($roomId: ID!, $roomCode: String!, $after: String) {
    roomEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor at
        ... on MessageSent { message { ...M } } ... on MessageEdited { message { ...M } }
        ... on MessageDeleted { message { ...M } } ... on ReactionsChanged { message { ...M } }
        ... on RoomUpdated { settings { title listed capacity slowModeSeconds locked } }
        ... on UserBanned { ban { user { ...C } at until reason } } ... on UserUnbanned { user { ...C } } } }
    fragment C on Chatter { id displayName avatarUrl isVerified }
    fragment M on Message {
        id index author { ...C } authorRole text createdAt editedAt deletedAt deletedBy clientMessageId replyToId
        reactions { emoji count } }";

#[test]
fn a_plan_renders_every_event_of_every_document_as_the_schema_does() {
    let renderings = renderings();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (all, planned) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let cases = (vec(any::<u8>(), 0..80), events());
    let compared = runner.run(&cases, |(numbers, events)| {
        let query = Writer::write(numbers.into_iter());
        all.set(all.get() + 1);
        if compare(&runtime, &renderings, &query, &events) {
            planned.set(planned.get() + 1);
        }
        assert!(compare(&runtime, &renderings, EVERYTHING, &events), "it has a plan");
        Ok(())
    });
    compared.unwrap_or_else(|failure| panic!("{failure}"));
    // Most documents have neither directives nor repeated fields.
    let (all, planned) = (all.get(), planned.get());
    assert!(planned > all / 4 && planned < all, "{planned} of {all} documents have a plan");
}
