//! Clause 1: `commit` is one atomic step.

use livechat::domain::event::{Event, EventKind};
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::RoomId;
use livechat::domain::user::Role;
use livechat::store::{Change, Commit, Committed, RoomLimits, StoreError};

use super::fixture::Fixture;
use super::kit::*;

/// Ensures that every read and the feed show that `event` has just happened.
async fn ensure_visible_everywhere(on: &dyn Fixture, event: &Event, feed: &mut FeedReader) -> Outcome {
    for store in [on.store(), on.second_handle()] {
        let snapshot = store.snapshot(event.room, Some(ALL)).await?;
        ensure_eq!(snapshot.state.head, event.position, "the head");
        ensure_eq!(snapshot.state.message_count, snapshot.messages.len() as u64, "the number of messages");
        ensure_eq!(snapshot.messages.get(message_of(event).id.index as usize), Some(message_of(event)), "the message");
        ensure_eq!(log_of(&store, event.room).await?.last(), Some(event), "the last entry of the log");
    }
    ensure_eq!(feed.event().await?, *event, "the event of the feed");
    Ok(())
}

pub async fn contract_1_a_send_is_visible_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let before = store.snapshot(room, None).await?.state.now;
    let (ann, commit) = (named_user("ann"), send_with_id(room, &named_user("ann"), "hello", "one"));
    let tag = commit.tag;
    let event = commit_new(&store, commit).await?;
    ensure!(matches!(event.kind, EventKind::Sent(_)), "the kind: {:?}", event.kind);
    ensure_eq!(event.position, Position { seq: Seq(1), tag }, "the position");
    let message = message_of(&event);
    ensure_eq!((message.id.room, message.id.index), (room, 0), "the id");
    ensure_eq!(message.author, ann, "the author");
    ensure_eq!(message.text, Some(text("hello")), "the text");
    ensure_eq!(message.client_message_id, Some(client_id("one")), "the client's id");
    ensure_eq!((message.edited_at, message.deleted_at), (None, None), "edited and deleted");
    ensure_eq!((message.created_at, message.revision), (event.at, Seq(1)), "created and revised");
    ensure!(event.at >= before, "it was sent at {:?}, which is before {before:?}", event.at);
    ensure_visible_everywhere(on, &event, &mut feed).await?;
    ensure_eq!(store.users(room, ALL).await?.users, [ann], "the users");
    ensure_eq!(store.snapshot(room, None).await?.state.user_count, 1, "the number of users");
    Ok(())
}

pub async fn contract_1_an_edit_is_visible_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let commit = edit(message_of(&sent), "hello again");
    let tag = commit.tag;
    let edited = commit_new(&store, commit).await?;
    ensure_eq!(edited.position, Position { seq: Seq(2), tag }, "the position");
    let mut expected = into_message(sent);
    expected.text = Some(text("hello again"));
    expected.edited_at = Some(edited.at);
    expected.revision = Seq(2);
    ensure_eq!(edited.kind, EventKind::Edited(expected), "the kind and the message");
    ensure_visible_everywhere(on, &edited, &mut feed).await
}

pub async fn contract_1_a_deletion_is_visible_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    let edited = commit_new(&store, edit(message_of(&sent), "hello again")).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let commit = delete(message_of(&edited));
    let tag = commit.tag;
    let deleted = commit_new(&store, commit).await?;
    ensure_eq!(deleted.position, Position { seq: Seq(3), tag }, "the position");
    let mut expected = into_message(edited);
    expected.text = None;
    (expected.deleted_at, expected.deleted_by) = (Some(deleted.at), Some(Role::Member));
    expected.revision = Seq(3);
    ensure_eq!(deleted.kind, EventKind::Deleted(expected), "the kind and the message");
    ensure_visible_everywhere(on, &deleted, &mut feed).await
}

/// Ensures that `commit` is refused as expected, writes nothing and publishes nothing.
async fn ensure_no_trace(
    on: &dyn Fixture,
    room: RoomId,
    commit: Commit,
    is_expected: fn(&Result<Committed, StoreError>) -> bool,
) -> Outcome {
    let store = on.store();
    let before = RoomContents::read(&store, room).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let result = store.commit(commit.clone()).await;
    ensure!(is_expected(&result), "{commit:?} returned {result:?}");
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after {commit:?}");
    // Events come in order, so an event of the refused change would come before the next one.
    let next = commit_new(&store, send(room, &named_user("bob"), "next")).await?;
    ensure_eq!(next.position.seq, before.head.seq.next(), "the number of the next event after {commit:?}");
    ensure_eq!(feed.event().await?, next, "the next event of the feed after {commit:?}");
    Ok(())
}

pub async fn contract_1_a_send_to_a_missing_room_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, missing) = (room(&store).await?, RoomId::random());
    let refused = send_with_id(missing, &named_user("ann"), "refused", "one");
    ensure_no_trace(on, room, refused.clone(), |result| matches!(result, Err(StoreError::NotFound))).await?;
    store.create_room(new_room(missing, &livechat::domain::room::RoomCode::random(6), DAY)).await?;
    let there = RoomContents::read(&store, missing).await?;
    ensure!(there.messages.is_empty() && there.log.is_empty() && there.users.is_empty(), "it left {there:?}");
    ensure_eq!(there.head, Position::START, "the head");
    ensure_eq!(commit_new(&store, refused).await?.position.seq, Seq(1), "its number once there is a room");
    Ok(())
}

pub async fn contract_1_a_change_of_a_missing_message_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    for index in [1_000, u64::from(u32::MAX), i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX] {
        let mut message = message_of(&sent).clone();
        message.id.index = index;
        for commit in [edit(&message, "changed"), delete(&message)] {
            ensure_no_trace(on, room, commit, |result| matches!(result, Err(StoreError::NotFound))).await?;
        }
    }
    Ok(())
}

pub async fn contract_1_a_stale_edit_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = into_message(commit_new(&store, send(room, &named_user("ann"), "hello")).await?);
    let edited = into_message(commit_new(&store, edit(&sent, "changed")).await?);
    let refused = |result: &_| matches!(result, Err(StoreError::Conflict));
    ensure_no_trace(on, room, edit(&sent, "changed on what was there before"), refused).await?;
    let mut ahead = edited.clone();
    ahead.revision = edited.revision.next();
    ensure_no_trace(on, room, edit(&ahead, "changed on what is not there yet"), refused).await?;
    commit_new(&store, delete(&edited)).await?;
    ensure_no_trace(on, room, edit(&edited, "changed on what is gone"), refused).await
}

pub async fn contract_1_a_stale_delete_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = into_message(commit_new(&store, send(room, &named_user("ann"), "hello")).await?);
    let edited = into_message(commit_new(&store, edit(&sent, "changed")).await?);
    let refused = |result: &_| matches!(result, Err(StoreError::Conflict));
    ensure_no_trace(on, room, delete(&sent), refused).await?;
    commit_new(&store, delete(&edited)).await?;
    ensure_no_trace(on, room, delete(&edited), refused).await
}

pub async fn contract_1_a_send_to_a_full_room_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    for words in ["one", "two"] {
        commit_new(&store, with_capacity(send(room, &named_user("ann"), words), 2)).await?;
    }
    let refused = |result: &_| matches!(result, Err(StoreError::Full));
    // A new user and a new client message id, neither of which may be stored.
    let three = with_capacity(send_with_id(room, &named_user("carol"), "three", "three"), 2);
    ensure_no_trace(on, room, three.clone(), refused).await?;
    ensure_no_trace(on, room, with_capacity(three.clone(), 0), refused).await?;
    commit_new(&store, with_capacity(three, 5)).await?;
    Ok(())
}

pub async fn contract_1_a_full_room_still_accepts_edits_and_deletions(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, with_capacity(send(room, &named_user("ann"), "one"), 1)).await?;
    let edited = commit_new(&store, edit(message_of(&sent), "changed")).await?;
    commit_new(&store, delete(message_of(&edited))).await?;
    Ok(())
}

pub async fn contract_1_a_deleted_message_still_counts_towards_the_limit(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, with_capacity(send(room, &named_user("ann"), "one"), 1)).await?;
    commit_new(&store, delete(message_of(&sent))).await?;
    let another = store.commit(with_capacity(send(room, &named_user("ann"), "two"), 1)).await;
    ensure_refused!(another, StoreError::Full, "a send into a room full of a deleted message");
    Ok(())
}

pub async fn contract_1_the_message_limit_holds_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let results = run_concurrently((0..24).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move { store.commit(with_capacity(send(room, &named_user(&format!("user {n}")), "me too"), 5)).await }
    }))
    .await;
    let accepted = results.iter().filter(|result| matches!(result, Ok(Committed::New(_)))).count();
    let full = results.iter().filter(|result| matches!(result, Err(StoreError::Full))).count();
    ensure_eq!((accepted, full), (5, 19), "accepted and refused of 24 sends into a room of 5");
    let contents = RoomContents::read(&store, room).await?;
    ensure_eq!((contents.message_count, contents.user_count, contents.log.len()), (5, 5, 5), "what they wrote");
    Ok(())
}

pub async fn contract_1_one_of_many_concurrent_edits_wins(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = into_message(commit_new(&store, send(room, &named_user("ann"), "hello")).await?);
    let results = run_concurrently((0..16).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let commit = if n == 7 { delete(&sent) } else { edit(&sent, &format!("changed by {n}")) };
        async move { store.commit(commit).await }
    }))
    .await;
    let conflicts = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict))).count();
    ensure_eq!(conflicts, 15, "the conflicts of 16 changes decided on one revision");
    let winner = results.into_iter().find_map(Result::ok).map(Committed::into_event);
    ensure_eq!(log_of(&store, room).await?.get(1), winner.as_ref(), "the second entry");
    ensure_eq!(messages_of(&store, room).await?.first(), winner.as_ref().map(message_of), "the message");
    Ok(())
}

pub async fn contract_1_tags_are_stored_bit_for_bit(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    // Zero, both ends of signed integers, and the first integer that a floating-point number cannot represent.
    for tag in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, (1 << 53) + 1, 0x0123_4567_89ab_cdef] {
        let commit = Commit { tag: EntryTag(tag), ..send(room, &named_user("ann"), "hello") };
        let mut feed = FeedReader::open(on, &store, room).await?;
        let event = commit_new(&store, commit).await?;
        ensure_eq!(event.position.tag, EntryTag(tag), "the tag of the event");
        ensure_visible_everywhere(on, &event, &mut feed).await?;
        let rest = store.read_log(room, event.position, 10).await?;
        ensure!(rest.is_empty(), "{rest:?} is behind the last entry");
        let wrong = Position { tag: EntryTag(tag ^ 1), ..event.position };
        ensure_refused!(store.read_log(room, wrong, 10).await, StoreError::ForeignPosition, "{wrong:?}");
    }
    // The largest limits do not overflow.
    let largest = RoomLimits { messages: u64::MAX, events: u64::MAX, edits: u64::MAX };
    commit_new(&store, with_limits(send(room, &named_user("ann"), "x"), largest)).await?;
    Ok(())
}

pub async fn contract_1_a_reply_keeps_its_target(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let target = into_message(commit_new(&store, send(room, &ann, "hello")).await?);
    let mut feed = FeedReader::open(on, &store, room).await?;
    let answer = commit_new(&store, reply(room, &ann, "hello yourself", 0)).await?;
    ensure_eq!(message_of(&answer).reply_to, Some(0), "the target");
    ensure_visible_everywhere(on, &answer, &mut feed).await?;
    commit_new(&store, delete(&target)).await?;
    let answers = commit_new(&store, reply(room, &ann, "to a deleted message", 0)).await?;
    let edited = commit_new(&on.second_handle(), edit(message_of(&answers), "changed")).await?;
    let targets: Vec<_> = messages_of(&store, room).await?.iter().map(|message| message.reply_to).collect();
    ensure_eq!(targets, [None, Some(0), Some(0)], "the targets");
    ensure_eq!(message_of(&edited).reply_to, Some(0), "the target of an edited message");
    for index in [3, 1_000, i64::MAX as u64, u64::MAX] {
        let refused = store.commit(reply(room, &ann, "to nothing", index)).await;
        ensure_refused!(refused, StoreError::NoSuchTarget, "a reply to {index}");
    }
    Ok(())
}

pub async fn contract_1_an_owner_may_delete(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = into_message(commit_new(&store, send(room, &signed_user("ann"), "hello")).await?);
    let mut removed = delete(&sent);
    if let Change::Delete { by, .. } = &mut removed.change {
        *by = Role::Owner;
    }
    let mut feed = FeedReader::open(on, &store, room).await?;
    let deleted = commit_new(&store, removed).await?;
    ensure_eq!(message_of(&deleted).deleted_by, Some(Role::Owner), "who deleted it");
    ensure_eq!(message_of(&deleted).author, sent.author, "the author");
    ensure_visible_everywhere(on, &deleted, &mut feed).await
}
