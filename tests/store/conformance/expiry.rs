//! Clause 4: an expired room disappears everywhere at once; users outlive their rooms.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::position::Position;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::store::{Admitted, RoomState, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;
use super::users::{Credentials, authenticate};

/// Long enough to write something into a room before it expires.
const SHORT: Duration = Duration::from_millis(2_500);

/// Waits until `end` by the store's clock, which may differ from ours.
pub async fn wait_until(store: &Arc<dyn Store>, end: Timestamp) -> Outcome {
    let clock = room(store).await?;
    loop {
        let now = store.snapshot(clock, None).await?.state.now;
        if now >= end {
            return Ok(());
        }
        tokio::time::sleep(end.since(now)).await;
    }
}

/// A room with content that has just expired, and its content before that.
async fn expired_room(store: &Arc<dyn Store>) -> Outcome<RoomContents> {
    let id = RoomId::random();
    let RoomState { room, .. } = store.create_room(new_room(id, &RoomCode::random(6), SHORT)).await?;
    let kept = commit_new(store, send_with_id(id, &named_user("ann"), "hello", "one")).await?;
    commit_new(store, edit(message_of(&kept), "changed")).await?;
    let contents = RoomContents::read(store, id).await?;
    wait_until(store, room.expires_at).await?;
    Ok(contents)
}

pub async fn contract_4_an_expired_room_is_not_found(on: &dyn Fixture) -> Outcome {
    let expired = expired_room(&on.store()).await?;
    let id = expired.room.id;
    for store in [on.store(), on.second_handle()] {
        ensure_refused!(store.snapshot(id, None).await, StoreError::NotFound, "the room");
        ensure_refused!(store.snapshot(id, Some(ALL)).await, StoreError::NotFound, "its messages");
        ensure_refused!(store.users(id, ALL).await, StoreError::NotFound, "its users");
        for after in [Position::START, expired.log[0].position, expired.head] {
            ensure_refused!(store.read_log(id, after, 10).await, StoreError::NotFound, "its log after {after:?}");
        }
    }
    Ok(())
}

pub async fn contract_4_an_expired_room_is_neither_listed_nor_counted(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let alive = room(&store).await?;
    let expired = expired_room(&store).await?;
    let younger = room(&store).await?;
    for store in [on.store(), on.second_handle()] {
        let listed = store.active_rooms(None, 100).await?;
        let ids: Vec<RoomId> = listed.rooms.iter().map(|state| state.room.id).collect();
        ensure!(ids.contains(&alive) && ids.contains(&younger), "a room that is alive is not listed");
        ensure!(!ids.contains(&expired.room.id), "the expired room is listed");
        // `wait_until` has created one more.
        ensure_eq!((ids.len(), listed.total, listed.more), (3, 3, false), "listed, in all, and more");
        let one = store.active_rooms(None, 1).await?;
        ensure_eq!((one.total, one.more), (3, true), "in all, and more, on a page of one");
        let behind = store.active_rooms(Some((expired.room.created_at, expired.room.id)), 100).await?;
        ensure_eq!(
            behind.rooms.iter().map(|state| state.room.id).collect::<Vec<_>>(),
            [alive],
            "after the expired one"
        );
    }
    Ok(())
}

pub async fn contract_4_an_expired_room_accepts_no_change(on: &dyn Fixture) -> Outcome {
    let expired = expired_room(&on.store()).await?;
    let (id, message) = (expired.room.id, &expired.messages[0]);
    for store in [on.store(), on.second_handle()] {
        for commit in [
            send(id, &named_user("ann"), "too late"),
            send_with_id(id, &named_user("ann"), "hello", "one"),
            with_capacity(send(id, &named_user("ann"), "too late and too many"), 0),
            edit(message, "too late"),
            delete(message),
        ] {
            ensure_refused!(store.commit(commit.clone()).await, StoreError::NotFound, "{commit:?}");
        }
        ensure_refused!(store.snapshot(id, None).await, StoreError::NotFound, "the room after late changes");
    }
    Ok(())
}

pub async fn contract_4_a_reused_id_shows_nothing_of_the_expired_room(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let expired = expired_room(&store).await?;
    let id = expired.room.id;
    ensure_refused!(store.commit(send(id, &named_user("ann"), "late")).await, StoreError::NotFound, "a late send");
    let code = RoomCode::random(6);
    let state = store.create_room(new_room(id, &code, DAY)).await?;
    ensure_eq!(state.room.code, code, "the code");
    ensure_eq!((state.head, state.message_count, state.user_count), (Position::START, 0, 0), "the new room");
    let contents = RoomContents::read(&store, id).await?;
    ensure_eq!((contents.head, contents.message_count, contents.user_count), (Position::START, 0, 0), "the new room");
    ensure!(contents.messages.is_empty() && contents.log.is_empty() && contents.users.is_empty(), "left: {contents:?}");
    for position in [expired.log[0].position, expired.head] {
        ensure_refused!(store.read_log(id, position, 10).await, StoreError::ForeignPosition, "an old position");
    }
    let first = commit_new(&store, send_with_id(id, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!((first.position.seq.0, message_of(&first).id.index), (1, 0), "the first send of the new room");
    ensure_eq!(log_of(&store, id).await?, [first], "the log of the new room");
    ensure_eq!(store.users(id, ALL).await?.total, 1, "the users of the new room");
    Ok(())
}

pub async fn contract_4_a_room_is_never_visible_from_its_expiry_on(on: &dyn Fixture) -> Outcome {
    let ttl = Duration::from_millis(700);
    let store = on.store();
    let created = store.create_room(new_room(RoomId::random(), &RoomCode::random(6), ttl)).await?;
    let room = created.room.clone();
    ensure_eq!(room.expires_at, room.created_at.plus(ttl), "the end");
    ensure!(created.now >= room.created_at && created.now < room.expires_at, "{created:?} is not within its life");
    let watch = async {
        loop {
            let now = match store.snapshot(room.id, Some(ALL)).await {
                Ok(seen) => seen.state.now,
                Err(StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            ensure!(now < room.expires_at, "the room was seen at {now:?}, after its end");
            match store.commit(send(room.id, &named_user("ann"), "still here")).await {
                Ok(sent) => {
                    let at = sent.into_event().at;
                    ensure!(at < room.expires_at, "a send at {at:?} was taken after the end");
                }
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
            // Near the end, look as often as possible: a mistake may show within a single millisecond.
            if room.expires_at.since(now) > Duration::from_millis(20) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    with_timeout(on.timeout(), "the end of the room", watch).await?
}

pub async fn contract_4_a_user_outlives_its_rooms(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let state = store.create_room(new_room(RoomId::random(), &RoomCode::random(6), SHORT)).await?;
    let keep_until = state.room.expires_at.plus(DAY);
    let mut credentials = Credentials::new("ann");
    let created = store.authenticate(credentials.admission(keep_until, true)).await?;
    ensure!(matches!(created, Admitted::Created(_)), "a new user: {created:?}");
    credentials.take_next();
    commit_new(&store, send(state.room.id, credentials.user(), "hello")).await?;
    wait_until(&store, state.room.expires_at).await?;
    let later = store.authenticate(credentials.admission(keep_until, false)).await?;
    ensure_eq!(later, Admitted::Rotated(credentials.user().clone()), "the user after the room's end");
    Ok(())
}

pub async fn contract_4_an_expired_user_is_unknown(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let clock = room(&store).await?;
    let end = store.snapshot(clock, None).await?.state.now.plus(SHORT);
    let mut credentials = Credentials::new("ann");
    authenticate(&store, &mut credentials, end).await?;
    wait_until(&store, end).await?;
    let admitted = store.authenticate(credentials.admission(end.plus(DAY), false)).await?;
    ensure_eq!(admitted, Admitted::Unknown, "the user after its expiry, with its last token");
    let mut other_client = Credentials::new("ann");
    let created = store.authenticate(other_client.admission(end.plus(DAY), true)).await?;
    ensure_eq!(created, Admitted::Created(other_client.user().clone()), "the id, taken by another client");
    other_client.take_next();
    let old = store.authenticate(credentials.admission(end.plus(DAY), true)).await?;
    ensure_eq!(old, Admitted::WrongToken, "the token of the user who had the id before");
    Ok(())
}

pub async fn contract_4_an_admission_can_extend_a_users_lifetime_but_not_shorten_it(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let clock = room(&store).await?;
    let now = store.snapshot(clock, None).await?.state.now;
    let (soon, late) = (now.plus(SHORT), now.plus(DAY));
    let mut kept = Credentials::new("kept");
    authenticate(&store, &mut kept, late).await?;
    let rotated = store.authenticate(kept.admission(soon, false)).await?;
    ensure!(matches!(rotated, Admitted::Rotated(_)), "{rotated:?}");
    let repeated = store.authenticate(kept.admission(soon, false)).await?;
    ensure!(matches!(repeated, Admitted::Repeated(..)), "{repeated:?}");
    let mut rotated_late = Credentials::new("rotated late");
    authenticate(&store, &mut rotated_late, soon).await?;
    store.authenticate(rotated_late.admission(late, false)).await?;
    let mut repeated_late = Credentials::new("repeated late");
    authenticate(&store, &mut repeated_late, soon).await?;
    store.authenticate(repeated_late.admission(soon, false)).await?;
    store.authenticate(repeated_late.admission(late, false)).await?;
    wait_until(&store, soon).await?;
    for credentials in [kept, rotated_late, repeated_late] {
        let admitted = store.authenticate(credentials.admission(late, false)).await?;
        ensure!(
            matches!(admitted, Admitted::Repeated(..)),
            "{:?} was forgotten early: {admitted:?}",
            credentials.user().id
        );
    }
    Ok(())
}
