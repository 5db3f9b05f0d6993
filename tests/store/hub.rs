//! Following rooms through a hub, over every store: a reader gets every event once and in order.
//!
//! The list of cases is in `conformance.rs`, with those of the stores.

use std::mem::discriminant;
use std::time::Duration;

use livechat::domain::event::{Event, EventKind};
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::{RoomCode, RoomId};
use livechat::hub::Hub;
use livechat::store::StoreError;

use crate::store::conformance::faulty::{Fault, FaultyStore};
use crate::store::conformance::fixture::Fixture;
use crate::store::conformance::kit::*;

/// More than the capacity of a broadcast, and more than two pages of the log. Not a multiple of the page size: after a full
/// page, a reader reads the log again.
const MANY: usize = 257;

/// Sends messages concurrently.
async fn send_many(on: &dyn Fixture, room: RoomId, messages: usize) -> Outcome {
    let store = on.store();
    let sends = (0..messages).map(|n| commit_new(&store, send(room, &named_user("ann"), &format!("words {n}"))));
    futures_util::future::try_join_all(sends).await?;
    Ok(())
}

pub async fn a_resumed_reader_gets_every_event_once_and_in_order(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.second_handle());
    send_many(on, room, 8).await?;
    let mut readers = vec![Follower::open(on, &hub, room, Some(Position::START)).await?];
    for event in log_of(&store, room).await? {
        readers.push(Follower::open(on, &hub, room, Some(event.position)).await?);
    }
    send_many(on, room, 8).await?;
    let log = log_of(&store, room).await?;
    for (read_before, reader) in readers.iter_mut().enumerate() {
        reader.expect_events(&log[read_before..]).await?;
    }
    hub.close().await;
    Ok(())
}

pub async fn a_reader_far_behind_gets_every_event_once_and_in_order(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.store());
    send_many(on, room, MANY).await?;
    let mut reader = Follower::open(on, &hub, room, Some(Position::START)).await?;
    // The reader first lags in the log. Once it has caught up, it lags in the broadcast.
    let mut read = 0_usize;
    for pace in [1, MANY, usize::MAX, 1, usize::MAX] {
        send_many(on, room, MANY).await?;
        let log = log_of(&store, room).await?;
        let next = log.len().min(read.saturating_add(pace));
        reader.expect_events(&log[read..next]).await?;
        read = next;
    }
    hub.close().await;
    Ok(())
}

pub async fn readers_that_join_during_writes_get_every_event_once_and_in_order(on: &dyn Fixture) -> Outcome {
    const WRITERS: usize = 4;
    const SENDS: usize = 60;
    let store = on.store();
    let room = room(&store).await?;
    let hubs = [Hub::start(on.store()), Hub::start(on.second_handle())];
    let writers = (0..WRITERS).map(|writer| {
        let store = if writer % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            for n in 0..SENDS {
                commit_new(&store, send(room, &named_user(&format!("writer {writer}")), &format!("words {n}"))).await?;
            }
            Outcome::Ok(())
        }
    });
    let reader = async |joins_at: u64| {
        let state = loop {
            let state = store.snapshot(room, None).await?.state;
            if state.head.seq.0 >= joins_at {
                break state;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let after = if joins_at.is_multiple_of(40) { Position::START } else { state.head };
        let mut reader = Follower::open(on, &hubs[joins_at as usize % 2], room, Some(after)).await?;
        let mut events: Vec<Event> = Vec::new();
        while events.last().map_or(after.seq, |event| event.position.seq) < Seq((WRITERS * SENDS) as u64) {
            events.push(reader.event().await?);
        }
        Outcome::Ok((after, events))
    };
    let readers = futures_util::future::try_join_all((0..12).map(|n| reader(n * 20 + n % 2)));
    let (written, readers) = tokio::join!(run_concurrently(writers), readers);
    written.into_iter().collect::<Outcome>()?;
    let log = log_of(&store, room).await?;
    for (after, events) in readers? {
        ensure!(events == log[after.seq.0 as usize..], "a reader that joined after {after:?} got something else");
    }
    for hub in hubs {
        hub.close().await;
    }
    Ok(())
}

pub async fn edits_and_deletions_are_followed(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.second_handle());
    let mut live = Follower::open(on, &hub, room, None).await?;
    let sent = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    let edited = commit_new(&store, edit(message_of(&sent), "changed")).await?;
    let deleted = commit_new(&store, delete(message_of(&edited))).await?;
    // Each event shows its message as it was then, or as it was when the event was taken.
    for expected in [&sent, &edited, &deleted] {
        let event = live.event().await?;
        ensure_eq!(
            (discriminant(&event.kind), event.position, event.at),
            (discriminant(&expected.kind), expected.position, expected.at),
            "a live event"
        );
        let messages = [&sent, &edited, &deleted].map(message_of);
        let shown = messages.into_iter().find(|message| *message == message_of(&event));
        let is_shown = shown.is_some_and(|message| message.revision >= message_of(expected).revision);
        ensure!(is_shown, "a live event with a message in a state that it never had, or an older one");
    }
    let mut replay = Follower::open(on, &hub, room, Some(Position::START)).await?;
    for kind in [EventKind::Sent, EventKind::Edited, EventKind::Deleted] {
        ensure_eq!(replay.event().await?.kind, kind(message_of(&deleted).clone()), "a replayed event");
    }
    hub.close().await;
    Ok(())
}

pub async fn lagging_readers_get_no_text_that_was_deleted_meanwhile(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.second_handle());
    let mut live = Follower::open(on, &hub, room, None).await?;
    let mut witness = Follower::open(on, &hub, room, None).await?;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(commit_new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?);
    }
    // This reader holds a page of the log in memory.
    let mut catching_up = Follower::open(on, &hub, room, Some(Position::START)).await?;
    catching_up.expect_events(&sent[..1]).await?;
    let deleted = commit_new(&store, delete(message_of(&sent[10]))).await?;
    let edited = commit_new(&store, edit(message_of(&sent[11]), "other words")).await?;
    // Once one reader has got the changes, this process knows them.
    witness.expect_events(&sent[..10]).await?;
    while witness.event().await?.position != edited.position {}
    for (reader, from) in [(&mut live, 0), (&mut catching_up, 1)] {
        for expected in &sent[from..] {
            let message = match message_of(expected).id.index {
                10 => message_of(&deleted),
                11 => message_of(&edited),
                _ => message_of(expected),
            };
            let event = reader.event().await?;
            ensure_eq!(event.position, expected.position, "an event of a late reader");
            ensure_eq!(event.kind, EventKind::Sent(message.clone()), "the message of an event that was taken late");
        }
        reader.expect_events(&[deleted.clone(), edited.clone()]).await?;
    }
    hub.close().await;
    Ok(())
}

pub async fn a_stream_completes_when_its_room_ends(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let state = store.create_room(new_room(RoomId::random(), &RoomCode::random(6), Duration::from_secs(3))).await?;
    let room = state.room.id;
    let hub = Hub::start(on.second_handle());
    let mut readers = [
        Follower::open(on, &hub, room, None).await?,
        Follower::open(on, &hub, room, Some(Position::START)).await?,
        Follower::open(on, &hub, room, None).await?,
    ];
    let sent = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    for reader in &mut readers[..2] {
        reader.expect_events(std::slice::from_ref(&sent)).await?;
    }
    // The third has not read the event yet. It still gets it before the end.
    let [first, second, third] = &mut readers;
    ensure!(first.next().await?.is_none(), "the stream continues after the end of its room");
    ensure!(second.next().await?.is_none(), "a resumed stream continues after the end of its room");
    third.expect_events(&[sent]).await?;
    ensure!(third.next().await?.is_none(), "a slow stream continues after the end of its room");
    hub.close().await;
    Ok(())
}

pub async fn a_lost_cursor_is_an_error_at_once(on: &dyn Fixture) -> Outcome {
    let faulty = FaultyStore::new(on.store(), Fault::None);
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(faulty.clone());
    let sent = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    let state = store.snapshot(room, None).await?.state;
    let Position { seq, tag } = sent.position;
    for lost in [
        Position { seq, tag: EntryTag(tag.0 ^ 1) },
        Position { seq: seq.next(), tag },
        Position { seq: Seq(u64::MAX), tag },
        Position { seq: Seq(0), tag },
    ] {
        let result = hub.follow(&state, lost).await.map(drop);
        ensure_refused!(result, StoreError::ForeignPosition, "following behind {lost:?}");
    }
    ensure_eq!(hub.viewers(room), 0, "the viewers after refused cursors");
    // The same for a position that is lost while a reader follows.
    let mut reader = Follower::open(on, &hub, room, None).await?;
    faulty.lose_log();
    faulty.cut();
    commit_new(&store, send(room, &named_user("ann"), "lost as well")).await?;
    let next = reader.next().await?;
    ensure!(matches!(next, Some(Err(StoreError::ForeignPosition))), "a lost position resulted in {next:?}");
    ensure!(reader.next().await?.is_none(), "the stream continues after an error");
    hub.close().await;
    Ok(())
}

pub async fn an_unknown_room_is_an_error_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut state = store.snapshot(room(&store).await?, None).await?.state;
    state.room.id = RoomId::random();
    let hub = Hub::start(store);
    let result = hub.follow(&state, Position::START).await.map(drop);
    ensure_refused!(result, StoreError::NotFound, "following an unknown room");
    ensure_eq!(hub.viewers(state.room.id), 0, "its viewers");
    hub.close().await;
    Ok(())
}

pub async fn an_unavailable_store_only_delays_a_reader(on: &dyn Fixture) -> Outcome {
    let faulty = FaultyStore::new(on.store(), Fault::None);
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(faulty.clone());
    let mut reader = Follower::open(on, &hub, room, None).await?;
    reader.expect_events(&[commit_new(&store, send(room, &named_user("ann"), "before")).await?]).await?;
    faulty.set_down(true);
    let state = store.snapshot(room, None).await?.state;
    let result = hub.follow(&state, state.head).await.map(drop);
    ensure_refused!(result, StoreError::Unavailable(_), "following through a store that is down");
    faulty.cut();
    send_many(on, room, MANY).await?;
    let log = log_of(&store, room).await?;
    let recovers = async {
        while faulty.refused_reads() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        faulty.set_down(false);
    };
    let (read, ()) = tokio::join!(reader.expect_events(&log[1..]), recovers);
    read?;
    hub.close().await;
    Ok(())
}

pub async fn a_gap_in_the_sequence_is_filled_from_the_log(on: &dyn Fixture) -> Outcome {
    let faulty = FaultyStore::new(on.store(), Fault::NoResync);
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(faulty.clone());
    let mut reader = Follower::open(on, &hub, room, None).await?;
    reader.expect_events(&[commit_new(&store, send(room, &named_user("ann"), "before")).await?]).await?;
    faulty.cut();
    send_many(on, room, 3).await?;
    while faulty.is_cut() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    commit_new(&store, send(room, &named_user("ann"), "after")).await?;
    reader.expect_events(&log_of(&store, room).await?[1..]).await?;
    hub.close().await;
    Ok(())
}

pub async fn a_reader_that_left_is_not_counted(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    let hub = Hub::start(store);
    ensure_eq!((hub.viewers(one), hub.viewers(two)), (0, 0), "the viewers before any reader");
    let first = Follower::open(on, &hub, one, None).await?;
    let second = Follower::open(on, &hub, one, None).await?;
    let other = Follower::open(on, &hub, two, None).await?;
    ensure_eq!((hub.viewers(one), hub.viewers(two)), (2, 1), "the viewers of both rooms");
    drop((first, other));
    ensure_eq!((hub.viewers(one), hub.viewers(two)), (1, 0), "the viewers after some readers left");
    drop(second);
    let mut again = Follower::open(on, &hub, one, None).await?;
    ensure_eq!(hub.viewers(one), 1, "the viewers after one reader returned");
    again.expect_events(&[commit_new(&on.store(), send(one, &named_user("ann"), "hello")).await?]).await?;
    hub.close().await;
    Ok(())
}

pub async fn closing_the_hub_ends_every_stream(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(store);
    let mut readers =
        [Follower::open(on, &hub, room, None).await?, Follower::open(on, &hub, room, Some(Position::START)).await?];
    let [read, unread] = &mut readers;
    let closing = with_timeout(on.timeout(), "the closing of the hub", hub.close());
    let (closed, end) = tokio::join!(closing, read.next());
    closed?;
    ensure!(end?.is_none(), "a stream that is being read continues after the closing");
    ensure!(unread.next().await?.is_none(), "a stream that was not read continues after the closing");
    Ok(())
}
