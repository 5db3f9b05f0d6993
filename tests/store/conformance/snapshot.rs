//! Clause 6: a snapshot shows one instant; windows, and the users of a room.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use livechat::domain::event::Event;
use livechat::domain::page::{Take, Window};
use livechat::domain::user::{DisplayName, User};
use livechat::store::{Snapshot, StoreError};

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_6_a_snapshot_is_one_instant(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|n| {
            let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    seen.push(store.snapshot(room, Some(ALL)).await?);
                    tokio::task::yield_now().await;
                }
                Outcome::Ok(seen)
            })
        })
        .collect();
    let written = run_concurrently((0..6).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let author = named_user(&format!("writer {n}"));
            let mut events = Vec::new();
            for round in 0..8 {
                let sent = commit_new(&store, send(room, &author, &format!("{n} says {round}"))).await?;
                let edited = commit_new(&store, edit(message_of(&sent), &format!("{n} means {round}"))).await?;
                events.extend([sent, edited]);
            }
            Outcome::Ok(events)
        }
    }))
    .await;
    done.store(true, Ordering::Relaxed);
    let mut events: HashMap<_, Event> = HashMap::new();
    for written in written {
        events.extend(written?.into_iter().map(|event| (event.position.seq, event)));
    }
    for reader in readers {
        for snapshot in reader.await.map_err(|error| Breach(error.to_string()))?? {
            ensure_one_instant(&snapshot, &events)?;
        }
    }
    Ok(())
}

/// Ensures that every part of the snapshot is the result of the changes up to its head.
fn ensure_one_instant(snapshot: &Snapshot, events: &HashMap<livechat::domain::position::Seq, Event>) -> Outcome {
    let Snapshot { state, messages } = snapshot;
    let head = state.head;
    ensure_eq!(state.message_count, messages.len() as u64, "the messages of a snapshot at {head:?}");
    let authors: HashSet<_> = messages.iter().map(|message| &message.author.id).collect();
    ensure_eq!(state.user_count, authors.len() as u64, "the users of a snapshot at {head:?}");
    let newest = messages.iter().map(|message| message.revision).max().unwrap_or_default();
    ensure_eq!(newest, head.seq, "the newest revision of a snapshot at {head:?}");
    for (index, message) in messages.iter().enumerate() {
        ensure_eq!(message.id.index, index as u64, "the index of a message");
        let changed_last = events.get(&message.revision).map(message_of);
        ensure_eq!(changed_last, Some(message), "the message as its last change made it");
    }
    let behind = events.values().filter(|event| event.position.seq <= head.seq);
    ensure_eq!(behind.count() as u64, head.seq.0, "the changes up to {head:?}");
    Ok(())
}

/// Windows with all kinds of bounds in a list of `count` items.
fn windows(count: u64) -> impl Iterator<Item = Window> {
    let bounds = [None, Some(0), Some(1), Some(count / 2), Some(count - 1), Some(count), Some(u64::MAX)];
    bounds.into_iter().flat_map(move |after| {
        bounds.into_iter().flat_map(move |before| {
            [0, 1, 3, count as u32, u32::MAX].into_iter().flat_map(move |n| {
                [Take::First(n), Take::Last(n)].into_iter().map(move |take| Window { after, before, take })
            })
        })
    })
}

/// The expected items of `window`, computed in the simplest way.
fn filter<T: Clone>(list: &[T], window: Window) -> Vec<T> {
    let Window { after, before, take } = window;
    let inside = |index: u64| after.is_none_or(|after| index > after) && before.is_none_or(|before| index < before);
    let mut inside: Vec<T> =
        (0..).zip(list).filter(|(index, _)| inside(*index)).map(|(_, item)| item.clone()).collect();
    match take {
        Take::First(n) => inside.truncate(n as usize),
        Take::Last(n) => drop(inside.drain(..inside.len().saturating_sub(n as usize))),
    }
    inside
}

pub async fn contract_6_a_window_filters_the_messages(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    for n in 0..7 {
        commit_new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?;
    }
    let all = messages_of(&store, room).await?;
    commit_new(&store, delete(&all[3])).await?;
    let all = messages_of(&store, room).await?;
    ensure_eq!(all.len(), 7, "the messages, the deleted one among them");
    for window in windows(7) {
        let snapshot = store.snapshot(room, Some(window)).await?;
        ensure_eq!(snapshot.messages, filter(&all, window), "the messages in {window:?}");
        ensure_eq!((snapshot.state.message_count, snapshot.state.head.seq.0), (7, 8), "the room beside {window:?}");
    }
    for message in all {
        let only = store.snapshot(room, Some(Window::only(message.id.index))).await?.messages;
        ensure_eq!(only, [message], "one message alone");
    }
    Ok(())
}

pub async fn contract_6_a_window_filters_the_users(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let all: Vec<User> = (0..7).map(|n| named_user(&format!("user {}", (n * 5) % 7))).collect();
    for user in &all {
        commit_new(&store, send(room, user, "hello")).await?;
    }
    for window in windows(7) {
        let page = store.users(room, window).await?;
        ensure_eq!(page.users, filter(&all, window), "the users in {window:?}");
        ensure_eq!(page.total, 7, "all users beside {window:?}");
    }
    Ok(())
}

pub async fn contract_6_without_a_window_there_are_no_messages(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    let (without, with) = (store.snapshot(room, None).await?, store.snapshot(room, Some(ALL)).await?);
    ensure!(without.messages.is_empty(), "unrequested messages");
    ensure_eq!(livechat::store::RoomState { now: with.state.now, ..without.state }, with.state, "the room itself");
    Ok(())
}

pub async fn contract_6_users_are_distinct_and_ordered_by_their_first_message(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let empty = store.users(room, ALL).await?;
    ensure_eq!((empty.users.len(), empty.total), (0, 0), "the users of a room without messages");
    let (ann, bob, carol) = (named_user("ann"), named_user("bob"), named_user("carol"));
    for (author, id) in [(&carol, "1"), (&ann, "1"), (&carol, "2"), (&ann, "1"), (&bob, "1"), (&ann, "2"), (&bob, "1")]
    {
        store.commit(send_with_id(room, author, "hello", id)).await?;
    }
    for message in messages_of(&store, room).await?.iter().filter(|message| message.author == carol) {
        commit_new(&store, delete(message)).await?;
    }
    let renamed = User { display_name: DisplayName::from_stored("renamed".into()), ..bob.clone() };
    commit_new(&store, send(room, &renamed, "hello")).await?;
    let page = store.users(room, ALL).await?;
    let ids: Vec<_> = page.users.iter().map(|user| &user.id).collect();
    ensure_eq!(ids, [&carol.id, &ann.id, &bob.id], "the users");
    ensure_eq!((page.total, store.snapshot(room, None).await?.state.user_count), (3, 3), "their number");
    ensure_refused!(
        store.users(livechat::domain::room::RoomId::random(), ALL).await,
        StoreError::NotFound,
        "the users of no room"
    );
    Ok(())
}

pub async fn contract_6_users_are_counted_correctly_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = run_concurrently((0..32).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move { commit_new(&store, send(room, &named_user(&format!("user {}", n % 8)), "hello")).await }
    }))
    .await;
    sent.into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut first_seen: Vec<User> = Vec::new();
    for message in messages_of(&store, room).await? {
        if !first_seen.contains(&message.author) {
            first_seen.push(message.author);
        }
    }
    let page = store.users(room, ALL).await?;
    ensure_eq!(page.users, first_seen, "the users in the order of their first message");
    ensure_eq!((page.total, first_seen.len()), (8, 8), "their number");
    Ok(())
}
