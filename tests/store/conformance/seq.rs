//! Clause 2: the numbers of a room have no gaps, and its events come in order.

use std::mem::discriminant;

use livechat::domain::event::Event;
use livechat::domain::position::Seq;
use livechat::domain::room::RoomId;

use super::fixture::Fixture;
use super::kit::*;

const WRITERS: usize = 32;
const SENDS: usize = 4;

/// Runs many writers, each sending, editing and deleting its own messages. Returns the events in order.
async fn contention(on: &dyn Fixture, room: RoomId) -> Outcome<Vec<Event>> {
    let written = run_concurrently((0..WRITERS).map(|writer| {
        let store = if writer % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let author = named_user(&format!("writer {writer}"));
            let mut events = Vec::new();
            for n in 0..SENDS {
                let sent = commit_new(&store, send(room, &author, &format!("{writer} says {n}"))).await?;
                let message = message_of(&sent).clone();
                events.push(sent);
                match n % 3 {
                    1 => events.push(commit_new(&store, edit(&message, &format!("{writer} meant {n}"))).await?),
                    2 => events.push(commit_new(&store, delete(&message)).await?),
                    _ => {}
                }
            }
            Outcome::Ok(events)
        }
    }))
    .await;
    let written: Outcome<Vec<_>> = written.into_iter().collect();
    let mut events = written?.concat();
    events.sort_by_key(|event| event.position.seq);
    Ok(events)
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.position.seq.0).collect()
}

pub async fn contract_2_seq_counts_from_one_in_each_room(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    for n in 1..=3 {
        for room in [one, two] {
            let event = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
            ensure_eq!(event.position.seq, Seq(n), "the number of send {n}");
            ensure_eq!(message_of(&event).id.index, n - 1, "the index of send {n}");
        }
    }
    Ok(())
}

pub async fn contract_2_seq_is_contiguous_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let events = contention(on, room).await?;
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    ensure_eq!(numbers(&events), expected, "the numbers of all results");
    let log = log_of(&store, room).await?;
    ensure_eq!(numbers(&log), expected, "the numbers in the log");
    for (event, entry) in events.iter().zip(&log) {
        let parts = |e: &Event| (e.position, discriminant(&e.kind), e.at, message_of(e).id, message_of(e).created_at);
        let (returned, logged) = (parts(event), parts(entry));
        ensure_eq!(returned, logged, "a result and its entry");
    }
    ensure_eq!(store.snapshot(room, None).await?.state.head, log[log.len() - 1].position, "the head");
    Ok(())
}

pub async fn contract_2_feed_events_are_in_order_and_equal_the_log(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let mut feeds = [FeedReader::open(on, &store, room).await?, FeedReader::open(on, &on.second_handle(), room).await?];
    let events = contention(on, room).await?;
    for feed in &mut feeds {
        let mut received = Vec::new();
        for _ in 0..events.len() {
            received.push(feed.event().await?);
        }
        ensure_eq!(numbers(&received), (1..=events.len() as u64).collect::<Vec<_>>(), "the received numbers");
        // A live event has its message as of the commit, like the result of the commit.
        ensure!(received == events, "received were {:?}", numbers(&received));
    }
    let parts = |e: &Event| (e.position, discriminant(&e.kind), message_of(e).id);
    let logged: Vec<_> = log_of(&store, room).await?.iter().map(parts).collect();
    let returned: Vec<_> = events.iter().map(parts).collect();
    ensure_eq!(logged, returned, "the log");
    Ok(())
}

pub async fn contract_2_indexes_are_contiguous_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let events = contention(on, room).await?;
    let messages = messages_of(&store, room).await?;
    let indexes: Vec<u64> = messages.iter().map(|message| message.id.index).collect();
    ensure_eq!(indexes, (0..(WRITERS * SENDS) as u64).collect::<Vec<_>>(), "the indexes");
    let first = |index: u64| events.iter().find(|event| message_of(event).id.index == index);
    for message in &messages {
        let sent = first(message.id.index).map(|event| (&message_of(event).author, event.at));
        ensure_eq!(sent, Some((&message.author, message.created_at)), "the first event of a message");
    }
    Ok(())
}
