//! Creating rooms, and the list of active rooms.

use std::sync::Arc;

use livechat::domain::position::Position;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::store::{RoomState, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;

fn ids(rooms: &[RoomState]) -> Vec<RoomId> {
    rooms.iter().map(|state| state.room.id).collect()
}

fn position(state: &RoomState) -> (Timestamp, RoomId) {
    (state.room.created_at, state.room.id)
}

/// Creates rooms one after the other.
async fn create_rooms(store: &Arc<dyn Store>, count: usize) -> Outcome<Vec<RoomState>> {
    let mut rooms = Vec::new();
    for _ in 0..count {
        rooms.push(store.create_room(new_room(RoomId::random(), &RoomCode::random(6), DAY)).await?);
    }
    Ok(rooms)
}

pub async fn contract_6_a_new_room_has_the_requested_id_code_and_lifetime(on: &dyn Fixture) -> Outcome {
    let (id, code) = (RoomId::random(), RoomCode::from_stored("007007".into()));
    let state = on.store().create_room(new_room(id, &code, DAY)).await?;
    ensure_eq!((state.room.id, &state.room.code), (id, &code), "id and code");
    ensure_eq!(state.room.expires_at, state.room.created_at.plus(DAY), "the expiry");
    ensure_eq!((state.head, state.message_count, state.user_count), (Position::START, 0, 0), "what is in it");
    for store in [on.store(), on.second_handle()] {
        let seen = store.snapshot(id, None).await?.state;
        ensure!(seen.now >= state.now, "the store's clock went back");
        ensure_eq!(RoomState { now: state.now, ..seen }, state, "the room, read again");
    }
    Ok(())
}

pub async fn contract_6_a_taken_id_is_refused_and_its_room_unchanged(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let id = RoomId::random();
    store.create_room(new_room(id, &RoomCode::from_stored("111111".into()), DAY)).await?;
    commit_new(&store, send(id, &named_user("ann"), "hello")).await?;
    let before = RoomContents::read(&store, id).await?;
    for store in [on.store(), on.second_handle()] {
        let again = store.create_room(new_room(id, &RoomCode::from_stored("222222".into()), DAY * 2)).await;
        ensure_refused!(again, StoreError::Conflict, "a taken id");
    }
    ensure_eq!(RoomContents::read(&store, id).await?, before, "the room whose id was requested again");
    ensure_eq!(store.active_rooms(None, 10).await?.total, 1, "the rooms in all");
    let attempts = run_concurrently((0..8).map(|_| {
        let (store, id) = (on.store(), RoomId::from_bytes([7; 16]));
        async move { store.create_room(new_room(id, &RoomCode::random(6), DAY)).await }
    }))
    .await;
    ensure_eq!(attempts.iter().filter(|attempt| attempt.is_ok()).count(), 1, "the winners of one id");
    Ok(())
}

pub async fn contract_6_active_rooms_come_newest_first(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let none = store.active_rooms(None, 10).await?;
    ensure_eq!((none.rooms.len(), none.more, none.total), (0, false, 0), "the rooms of a new store");
    let created = create_rooms(&store, 6).await?;
    for store in [on.store(), on.second_handle()] {
        let listed = store.active_rooms(None, 10).await?;
        ensure_eq!((listed.rooms.len(), listed.more, listed.total), (6, false, 6), "listed, more, and in all");
        let is_ordered = listed.rooms.is_sorted_by_key(|state| std::cmp::Reverse(state.room.created_at));
        ensure!(is_ordered, "the rooms are not listed newest first: {:?}", listed.rooms);
        ensure!(created.iter().all(|state| ids(&listed.rooms).contains(&state.room.id)), "a room is not listed");
    }
    Ok(())
}

pub async fn contract_6_pages_of_active_rooms_have_no_gaps_or_duplicates(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    create_rooms(&store, 7).await?;
    let all = ids(&store.active_rooms(None, 100).await?.rooms);
    for limit in [1, 2, 3, 6, 7, 8, u32::MAX] {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = store.active_rooms(after, limit).await?;
            ensure!(page.rooms.len() <= limit as usize, "more than {limit} rooms on a page of {limit}");
            ensure_eq!(page.total, all.len() as u64, "the rooms in all");
            read.extend(ids(&page.rooms));
            ensure_eq!(page.more, read.len() < all.len(), "whether more follow after {} rooms", read.len());
            after = page.rooms.last().map(position);
            if !page.more {
                break;
            }
            ensure!(after.is_some(), "more should follow after an empty page of {limit}");
        }
        ensure_eq!(read, all, "the rooms in pages of {limit}");
    }
    let page = store.active_rooms(None, 0).await?;
    ensure_eq!((page.rooms.len(), page.more, page.total), (0, true, 7), "a page of none");
    Ok(())
}

pub async fn contract_6_active_rooms_can_be_read_from_any_position(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    create_rooms(&store, 4).await?;
    let listed = store.active_rooms(None, 100).await?.rooms;
    let (first, last) = (&listed[0].room, &listed[3].room);
    // The position comes from a client's cursor, so any number is possible.
    for later in [first.created_at.as_millis() + 1, 1 << 53, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let page = store.active_rooms(Some((Timestamp::from_millis(later), RoomId::from_bytes([0; 16]))), 100).await?;
        ensure_eq!(ids(&page.rooms), ids(&listed), "the rooms behind {later}");
    }
    for earlier in [last.created_at.as_millis() - 1, 0] {
        let page =
            store.active_rooms(Some((Timestamp::from_millis(earlier), RoomId::from_bytes([255; 16]))), 100).await?;
        ensure_eq!((page.rooms.len(), page.more, page.total), (0, false, 4), "the rooms behind {earlier}");
    }
    // New rooms do not move a page.
    create_rooms(&store, 2).await?;
    for (read, state) in listed.iter().enumerate() {
        let page = store.active_rooms(Some(position(state)), 100).await?;
        let behind = ids(&listed[read + 1..]);
        ensure!(behind.iter().all(|id| ids(&page.rooms).contains(id)), "a room behind {read} is missing");
        ensure!(!ids(&page.rooms).contains(&state.room.id), "a room is behind itself");
    }
    Ok(())
}

pub async fn contract_6_a_listed_room_equals_its_snapshot(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    for room in ids(&create_rooms(&store, 3).await?) {
        let sent = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
        commit_new(&store, edit(message_of(&sent), "changed")).await?;
        commit_new(&store, send(room, &named_user("bob"), "hello")).await?;
    }
    for state in on.second_handle().active_rooms(None, 100).await?.rooms {
        let seen = store.snapshot(state.room.id, None).await?.state;
        ensure_eq!((state.head.seq.0, state.message_count, state.user_count), (3, 2, 2), "what is in a listed room");
        ensure_eq!(RoomState { now: state.now, ..seen }, state, "a listed room");
    }
    Ok(())
}
