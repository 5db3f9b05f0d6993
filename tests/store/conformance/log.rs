//! Clause 5: reading the log after a position.

use livechat::domain::event::{Event, EventKind};
use livechat::domain::message::Message;
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::store::StoreError;

use super::fixture::Fixture;
use super::kit::*;

/// A room with seven entries in its log: four sent, two edited, one deleted.
async fn busy_room(on: &dyn Fixture) -> Outcome<Vec<Event>> {
    let store = on.store();
    let room = room(&store).await?;
    let mut sent = Vec::new();
    for n in 0..4 {
        sent.push(
            commit_new(&store, send(room, &named_user(&format!("user {}", n % 3)), &format!("words {n}"))).await?,
        );
    }
    commit_new(&store, edit(message_of(&sent[0]), "changed")).await?;
    let edited = commit_new(&store, edit(message_of(&sent[2]), "changed too")).await?;
    commit_new(&store, delete(message_of(&edited))).await?;
    let log = log_of(&store, room).await?;
    ensure_eq!(log.len(), 7, "the entries of the log");
    Ok(log)
}

pub async fn contract_5_pages_of_the_log_have_no_gaps_or_duplicates(on: &dyn Fixture) -> Outcome {
    let log = busy_room(on).await?;
    let room = log[0].room;
    for store in [on.store(), on.second_handle()] {
        for limit in [1, 2, 3, 6, 7, 8] {
            let (mut read, mut after) = (Vec::new(), Position::START);
            loop {
                let page = store.read_log(room, after, limit).await?;
                let at_end = page.len() < limit as usize;
                after = page.last().map_or(after, |event| event.position);
                read.extend(page);
                if at_end {
                    break;
                }
            }
            ensure_eq!(read, log, "the log in pages of {limit}");
        }
        for (read, event) in log.iter().enumerate() {
            let rest = store.read_log(room, event.position, 100).await?;
            ensure_eq!(rest, log[read + 1..], "the log after {:?}", event.position);
        }
    }
    Ok(())
}

pub async fn contract_5_a_page_respects_its_limit(on: &dyn Fixture) -> Outcome {
    let (store, log) = (on.store(), busy_room(on).await?);
    for limit in [0, 1, 6, 7, 8, 100, u32::MAX] {
        let page = store.read_log(log[0].room, Position::START, limit).await?;
        ensure_eq!(page, log[..log.len().min(limit as usize)], "a page of {limit}");
    }
    Ok(())
}

pub async fn contract_5_an_empty_log_can_be_read_from_its_start(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    ensure_eq!(store.snapshot(room, None).await?.state.head, Position::START, "the head of a new room");
    let page = store.read_log(room, Position::START, 10).await?;
    ensure!(page.is_empty(), "{page:?} in the log of a new room");
    Ok(())
}

pub async fn contract_5_a_foreign_position_is_refused(on: &dyn Fixture) -> Outcome {
    let (store, log) = (on.store(), busy_room(on).await?);
    let (room, head) = (log[0].room, log[6].position);
    let mut foreign = vec![
        Position { seq: Seq(0), tag: EntryTag(1) },
        Position { seq: Seq(0), tag: head.tag },
        Position { seq: Seq(8), tag: head.tag },
        Position { seq: Seq(8), tag: EntryTag(0) },
    ];
    for event in &log {
        let Position { seq, tag } = event.position;
        foreign.extend([tag.0 ^ 1, tag.0 ^ 1 << 63, 0].map(|tag| Position { seq, tag: EntryTag(tag) }));
        foreign.push(Position { seq: seq.next(), tag });
    }
    for position in foreign {
        ensure_refused!(store.read_log(room, position, 10).await, StoreError::ForeignPosition, "{position:?}");
    }
    Ok(())
}

pub async fn contract_5_a_position_of_another_room_is_refused(on: &dyn Fixture) -> Outcome {
    let (store, log, other) = (on.store(), busy_room(on).await?, busy_room(on).await?);
    for (event, foreign) in log.iter().zip(&other) {
        let result = store.read_log(event.room, foreign.position, 10).await;
        ensure_refused!(result, StoreError::ForeignPosition, "a position of another room");
    }
    Ok(())
}

pub async fn contract_5_positions_beyond_any_log_are_refused(on: &dyn Fixture) -> Outcome {
    let (store, log) = (on.store(), busy_room(on).await?);
    // The position comes from a client's cursor, so any number is possible.
    for seq in [1 << 32, 1 << 53, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX] {
        for tag in [EntryTag(0), log[6].position.tag, EntryTag(u64::MAX)] {
            let position = Position { seq: Seq(seq), tag };
            let result = store.read_log(log[0].room, position, 10).await;
            ensure_refused!(result, StoreError::ForeignPosition, "{position:?}");
        }
    }
    Ok(())
}

pub async fn contract_5_a_replay_returns_each_message_in_its_current_state(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = [
        commit_new(&store, send(room, &named_user("ann"), "one")).await?,
        commit_new(&store, send(room, &named_user("bob"), "two")).await?,
    ];
    let edited = commit_new(&store, edit(message_of(&sent[0]), "one, changed")).await?;
    let deleted = commit_new(&store, delete(message_of(&sent[1]))).await?;
    let again = commit_new(&store, edit(message_of(&edited), "one, changed again")).await?;
    let as_now = |event: &Event, now: &Event| event.with_message(message_of(now).clone());
    let expected =
        [as_now(&sent[0], &again), as_now(&sent[1], &deleted), as_now(&edited, &again), deleted.clone(), again.clone()];
    let log = log_of(&store, room).await?;
    ensure_eq!(log, expected, "the log");
    let is_kind = |n: usize, kind: fn(Message) -> EventKind| log[n].kind == kind(message_of(&log[n]).clone());
    let is_sent = is_kind(0, EventKind::Sent) && is_kind(1, EventKind::Sent);
    let is_changed = is_kind(2, EventKind::Edited) && is_kind(3, EventKind::Deleted) && is_kind(4, EventKind::Edited);
    ensure!(is_sent && is_changed, "the kinds of {log:?}");
    Ok(())
}

pub async fn contract_5_deleted_text_is_never_returned(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = commit_new(&store, send_with_id(room, &named_user("ann"), "a secret", "one")).await?;
    let edited = commit_new(&store, edit(message_of(&sent), "another secret")).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let deleted = commit_new(&store, delete(message_of(&edited))).await?;
    let again = commit_repeated(&store, send_with_id(room, &named_user("ann"), "a secret", "one")).await?;
    let mut results = vec![into_message(deleted), into_message(again), into_message(feed.event().await?)];
    for store in [on.store(), on.second_handle()] {
        results.extend(messages_of(&store, room).await?);
        results.extend(log_of(&store, room).await?.into_iter().map(into_message));
    }
    ensure_eq!(results.len(), 3 + 2 * (1 + 3), "the answers");
    for message in results {
        ensure_eq!(message.text, None, "the text of a deleted message");
    }
    Ok(())
}
