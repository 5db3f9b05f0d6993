//! Clause 18: reactions.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::{Event, EventKind};
use livechat::domain::message::Message;
use livechat::domain::reaction::{REACTION_KINDS_MAX, REACTION_TOGGLES_MAX, REACTIONS_INTERVAL, ReactionCount};
use livechat::domain::room::RoomId;
use livechat::store::{FeedItem, Reaction, RoomLimits, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;

/// A new room with one message.
async fn message(store: &Arc<dyn Store>) -> Outcome<Message> {
    let room = room(store).await?;
    Ok(into_message(commit_new(store, send(room, &named_user("ann"), "hello")).await?))
}

/// The message in its current state.
async fn current(store: &Arc<dyn Store>, message: &Message) -> Outcome<Message> {
    let index = message.id.index as usize;
    let found = messages_of(store, message.id.room).await?.into_iter().nth(index);
    found.ok_or_else(|| Breach("the message is gone".into()))
}

fn counts(counts: &[(&str, u32)]) -> Vec<ReactionCount> {
    counts.iter().map(|(with, count)| ReactionCount { emoji: emoji(with), count: *count }).collect()
}

/// The entries about reactions.
async fn entries(store: &Arc<dyn Store>, room: RoomId) -> Outcome<Vec<Event>> {
    let log = log_of(store, room).await?;
    Ok(log.into_iter().filter(|event| matches!(event.kind, EventKind::ReactionsChanged(_))).collect())
}

/// Completes all gathered changes of reactions, as a node does that watches the room.
async fn complete(on: &dyn Fixture, store: &Arc<dyn Store>, room: RoomId) -> Outcome {
    with_timeout(on.timeout(), "the entries about gathered reactions", async {
        while let Some(due) = store.log_reactions(room).await? {
            ensure!(due <= REACTIONS_INTERVAL, "an entry is only due after {due:?}");
            tokio::time::sleep(due).await;
        }
        Ok(())
    })
    .await?
}

pub async fn contract_18_a_reaction_is_visible_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let message = message(&store).await?;
    let (room, bob) = (message.id.room, named_user("bob"));
    let mut feed = FeedReader::open(on, &other, room).await?;
    let first = reaction(&message, &bob, "👍");
    let reacted = store.react(first.clone()).await?;
    let mut expected = message.clone();
    (expected.reactions, expected.reaction_changes) = (counts(&[("👍", 1)]), 1);
    ensure_eq!(reacted.message, expected, "the message");
    ensure_eq!((reacted.head.seq.0, reacted.head.tag, reacted.due), (2, first.tag, None), "the entry");
    let event = feed.event().await?;
    ensure_eq!(event.kind, EventKind::ReactionsChanged(expected.clone()), "the event of the feed");
    ensure_eq!(event.position, reacted.head, "its position");
    for store in [&store, &other] {
        ensure_eq!(current(store, &message).await?, expected, "the message, read again");
        ensure_eq!(log_of(store, room).await?.last(), Some(&event), "the last entry");
        ensure_eq!(store.snapshot(room, None).await?.state.reaction_changes, 1, "the changes of the room");
        ensure_eq!(
            store.reactions_by(room, &bob.id, &[0, 1, u64::MAX]).await?,
            [vec![emoji("👍")], vec![], vec![]],
            "his"
        );
        ensure_eq!(store.reactions_by(room, &named_user("ann").id, &[0]).await?, [vec![]], "hers");
    }
    commit_new(&other, edit(&expected, "changed")).await?;
    ensure_eq!(current(&store, &message).await?.reactions, counts(&[("👍", 1)]), "the reactions after an edit");
    Ok(())
}

pub async fn contract_18_a_reaction_without_effect_changes_nothing(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let message = message(&store).await?;
    let (room, bob) = (message.id.room, named_user("bob"));
    store.react(reaction(&message, &bob, "👍")).await?;
    let before = RoomContents::read(&store, room).await?;
    let no_space = RoomLimits { messages: 0, events: 0, edits: 0 };
    for again in [reaction(&message, &bob, "👍"), removal(&message, &bob, "🎉")] {
        let reacted = other.react(Reaction { limits: no_space, ..again }).await?;
        ensure_eq!((reacted.head, reacted.due), (before.head, None), "the end of the log");
        ensure_eq!(reacted.message, before.messages[0], "the message");
    }
    ensure_eq!(RoomContents::read(&other, room).await?, before, "the room");
    Ok(())
}

pub async fn contract_18_concurrent_reactions_are_each_counted_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let message = message(&store).await?;
    let room = message.id.room;
    let results = run_concurrently((0..60).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        // Each of 20 users adds the same reaction three times.
        let reaction = reaction(&message, &named_user(&format!("user {}", n % 20)), ["👍", "🎉"][n % 20 / 12]);
        async move { store.react(reaction).await }
    }));
    for result in results.await {
        result?;
    }
    complete(on, &on.second_handle(), room).await?;
    for store in [on.store(), on.second_handle()] {
        let current = current(&store, &message).await?;
        ensure_eq!(current.reactions, counts(&[("👍", 12), ("🎉", 8)]), "the reactions");
        ensure_eq!(current.reaction_changes, 20, "their changes");
        ensure_eq!(store.snapshot(room, None).await?.state.reaction_changes, 20, "the changes of the room");
    }
    Ok(())
}

/// Lets users react to a message until a reaction and two more are gathered. Returns how many have reacted, and when the entry is due.
/// On a busy machine, some reactions may come late enough for entries of their own.
async fn react_until_gathered(store: &Arc<dyn Store>, message: &Message) -> Outcome<(u32, Duration)> {
    let mut in_a_row = 0;
    for n in 1..=300 {
        let due = store.react(reaction(message, &named_user(&format!("user {n}")), "👍")).await?.due;
        in_a_row = if due.is_some() { in_a_row + 1 } else { 0 };
        if let (Some(due), 3) = (due, in_a_row) {
            return Ok((n, due));
        }
    }
    Err(Breach("300 reactions at once were not gathered".into()))
}

pub async fn contract_18_gathered_reactions_end_in_one_entry(on: &dyn Fixture) -> Outcome {
    let (here, there) = (on.store(), on.second_handle());
    let message = message(&here).await?;
    let room = message.id.room;
    let mut feed = FeedReader::open(on, &there, room).await?;
    let (reacted, due) = react_until_gathered(&here, &message).await?;
    let before = entries(&here, room).await?.len();
    ensure!(due <= REACTIONS_INTERVAL, "the entry is only due after {due:?}");
    loop {
        match feed.next().await? {
            FeedItem::ReactionsPending(of, due) if of == room => {
                ensure!(due <= REACTIONS_INTERVAL, "the feed says that the entry is due after {due:?}");
                break;
            }
            _ => {}
        }
    }
    // The node that took the reactions does nothing more.
    complete(on, &there, room).await?;
    for store in [&here, &there] {
        ensure_eq!(current(store, &message).await?.reactions, counts(&[("👍", reacted)]), "the reactions");
        let entries = entries(store, room).await?;
        ensure_eq!(entries.len(), before + 1, "the entries about reactions");
        for pair in entries.windows(2) {
            let distance = pair[1].at.since(pair[0].at);
            ensure!(distance >= REACTIONS_INTERVAL, "two entries within {distance:?}");
        }
        ensure_eq!(store.log_reactions(room).await?, None, "what is due after all");
    }
    loop {
        let EventKind::ReactionsChanged(seen) = feed.event().await?.kind else { continue };
        if seen.reactions == counts(&[("👍", reacted)]) {
            return Ok(());
        }
    }
}

pub async fn contract_18_gathered_reactions_survive_a_kill(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let message = message(&store).await?;
    let room = message.id.room;
    let (reacted, _) = react_until_gathered(&store, &message).await?;
    let before = entries(&store, room).await?.len();
    let reopened = on.reopen_after_kill().await;
    complete(on, &reopened, room).await?;
    let current = current(&reopened, &message).await?;
    ensure_eq!(current.reactions, counts(&[("👍", reacted)]), "the reactions");
    ensure_eq!(entries(&reopened, room).await?.len(), before + 1, "the entries about reactions");
    Ok(())
}

pub async fn contract_18_toggling_cannot_fill_the_log(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let message = message(&store).await?;
    let bob = named_user("bob");
    for n in 0..REACTION_TOGGLES_MAX {
        let change = if n % 2 == 0 { reaction(&message, &bob, "👍") } else { removal(&message, &bob, "👍") };
        other.react(change).await?;
    }
    ensure_refused!(store.react(reaction(&message, &bob, "👍")).await, StoreError::EditLimit, "one change too many");
    let current = current(&store, &message).await?;
    ensure_eq!((current.reactions, current.reaction_changes), (vec![], REACTION_TOGGLES_MAX.into()), "the message");
    store.react(reaction(&message, &bob, "🎉")).await?;
    store.react(reaction(&message, &named_user("carol"), "👍")).await?;
    Ok(())
}

pub async fn contract_18_entries_about_reactions_take_a_quarter_of_the_log(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann, limits) = (room(&store).await?, named_user("ann"), RoomLimits { events: 20, ..ROOMY });
    let mut messages = Vec::new();
    for n in 0..6 {
        let send = with_limits(send(room, &ann, &format!("words {n}")), limits);
        messages.push(into_message(commit_new(&store, send).await?));
    }
    let react = async |n: usize, message: &Message| {
        let store = if n.is_multiple_of(2) { on.store() } else { on.second_handle() };
        store.react(Reaction { limits, ..reaction(message, &named_user(&format!("user {n}")), "👍") }).await
    };
    // Four entries, and one mark that reserves the fifth.
    for (n, message) in messages[..4].iter().enumerate() {
        react(n, message).await?;
    }
    let marked = react(4, &messages[0]).await?.due.is_some();
    let fifth = react(5, &messages[4]).await;
    if marked {
        ensure_refused!(fifth, StoreError::Full, "an entry that is reserved");
        react(6, &messages[0]).await?;
    }
    complete(on, &store, room).await?;
    ensure_refused!(react(7, &messages[5]).await, StoreError::Full, "a sixth entry");
    ensure_eq!(entries(&store, room).await?.len(), 5, "the entries about reactions");
    for message in messages_of(&store, room).await? {
        commit_new(&store, with_limits(delete(&message), limits)).await?;
    }
    Ok(())
}

pub async fn contract_18_marks_reserve_their_entries(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    // One send and its deletion, one entry and one mark, and a second send.
    let limits = RoomLimits { events: 8, ..ROOMY };
    let sent = into_message(commit_new(&store, with_limits(send(room, &ann, "one"), limits)).await?);
    let react = async |n: usize| {
        store.react(Reaction { limits, ..reaction(&sent, &named_user(&format!("user {n}")), "👍") }).await
    };
    react(0).await?;
    let marked = react(1).await?.due.is_some();
    let mut accepted = 0;
    while on.second_handle().commit(with_limits(send(room, &ann, "more"), limits)).await.is_ok() {
        accepted += 1;
    }
    if marked {
        ensure_eq!(accepted, 2, "the sends beside a mark");
    }
    let next = store.commit(with_limits(edit(&sent, "no"), limits)).await;
    ensure!(!marked || matches!(next, Ok(_) | Err(StoreError::Full)), "an edit: {next:?}");
    complete(on, &store, room).await?;
    for message in messages_of(&store, room).await? {
        commit_new(&store, with_limits(delete(&message), limits)).await?;
    }
    ensure!(log_of(&store, room).await?.len() <= 8, "the log is longer than its limit");
    Ok(())
}

pub async fn contract_18_kinds_are_limited(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let message = message(&store).await?;
    let kind = |n: usize| char::from_u32(0x1f600 + n as u32).map(String::from).unwrap_or_default();
    let results = run_concurrently((0..REACTION_KINDS_MAX + 5).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let reaction = reaction(&message, &named_user(&format!("user {n}")), &kind(n));
        async move { store.react(reaction).await }
    }))
    .await;
    let full = results.iter().filter(|result| matches!(result, Err(StoreError::Full))).count();
    let seen = current(&store, &message).await?;
    ensure_eq!((full, seen.reactions.len()), (5, REACTION_KINDS_MAX), "refused kinds and accepted ones");
    let known = seen.reactions[0].emoji.as_str().to_owned();
    other.react(reaction(&message, &named_user("bob"), &known)).await?;
    let (second, bob) = (seen.reactions[1].emoji.as_str(), named_user("bob"));
    other.react(reaction(&message, &bob, second)).await?;
    let counted = current(&store, &message).await?.reactions;
    ensure!(counted[..2].iter().all(|counted| counted.count == 2), "the most used come first: {counted:?}");
    // The same user may not even remove and add ever more kinds.
    let message = into_message(commit_new(&store, send(message.id.room, &bob, "another")).await?);
    for n in 0..REACTION_KINDS_MAX {
        store.react(reaction(&message, &bob, &kind(n))).await?;
        other.react(removal(&message, &bob, &kind(n))).await?;
    }
    let another = other.react(reaction(&message, &bob, &kind(99))).await;
    ensure_refused!(another, StoreError::EditLimit, "a kind too many of one user");
    Ok(())
}

pub async fn contract_18_a_deletion_removes_reactions(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let message = message(&store).await?;
    let (room, bob) = (message.id.room, named_user("bob"));
    store.react(reaction(&message, &bob, "👍")).await?;
    store.react(reaction(&message, &named_user("carol"), "👍")).await?;
    let deleted = into_message(commit_new(&other, delete(&message)).await?);
    ensure_eq!(deleted.reactions, vec![], "the reactions of a deleted message");
    ensure_eq!(current(&store, &message).await?, deleted, "the message, read again");
    ensure_eq!(store.reactions_by(room, &bob.id, &[0]).await?, [vec![]], "the reactions of a user");
    for change in [reaction(&message, &bob, "🎉"), removal(&message, &bob, "👍")] {
        ensure_refused!(other.react(change).await, StoreError::NotFound, "a reaction to a deleted message");
    }
    let head = store.snapshot(room, None).await?.state.head;
    tokio::time::sleep(Duration::from_millis(20)).await;
    ensure_eq!(store.log_reactions(room).await?, None, "what is due after the deletion");
    ensure_eq!(store.snapshot(room, None).await?.state.head, head, "the end of the log");
    for index in [1, 7, 1 << 48, i64::MAX as u64, u64::MAX] {
        let nowhere = Reaction { message: index, ..reaction(&message, &bob, "👍") };
        ensure_refused!(store.react(nowhere).await, StoreError::NotFound, "a reaction to {index}");
    }
    Ok(())
}
