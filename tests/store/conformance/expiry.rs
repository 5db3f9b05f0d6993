//! Clause 4: what has expired is absent everywhere at once; users outlive their rooms.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::Position;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::store::{Admitted, RoomState, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;
use super::users::{Wallet, authenticate};

/// Long enough to write a little into a room before it ends.
const SHORT: Duration = Duration::from_millis(1_500);

/// Room and user have ended once the store's clock is past their end; the store is asked, so clocks may differ.
async fn wait_until(store: &Arc<dyn Store>, end: Timestamp) -> Outcome {
    let clock = room(store).await?;
    loop {
        let now = store.snapshot(clock, None).await?.state.now;
        if now >= end {
            return Ok(());
        }
        tokio::time::sleep(end.since(now)).await;
    }
}

/// A room that has just ended, with something in it, and that something as it was.
async fn ended_room(store: &Arc<dyn Store>) -> Outcome<Picture> {
    let id = RoomId::random();
    let RoomState { room, .. } = store.create_room(id, &RoomCode::random(6), SHORT).await?;
    let kept = new(store, send_as(id, &named_user("ann"), "hello", "one")).await?;
    new(store, edit(&kept.message, "changed")).await?;
    let picture = Picture::of(store, id).await?;
    wait_until(store, room.expires_at).await?;
    Ok(picture)
}

pub async fn contract_4_an_ended_room_is_in_no_answer(on: &dyn Fixture) -> Outcome {
    let ended = ended_room(&on.store()).await?;
    let id = ended.room.id;
    for store in [on.store(), on.second_handle()] {
        ensure_refused!(store.snapshot(id, None).await, StoreError::NotFound, "the room");
        ensure_refused!(store.snapshot(id, Some(ALL)).await, StoreError::NotFound, "its messages");
        ensure_refused!(store.users(id, ALL).await, StoreError::NotFound, "its users");
        for after in [Position::START, ended.log[0].position, ended.head] {
            ensure_refused!(store.read_log(id, after, 10).await, StoreError::NotFound, "its log after {after:?}");
        }
    }
    Ok(())
}

pub async fn contract_4_an_ended_room_is_not_listed_nor_counted(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let alive = room(&store).await?;
    let ended = ended_room(&store).await?;
    let younger = room(&store).await?;
    for store in [on.store(), on.second_handle()] {
        let listed = store.active_rooms(None, 100).await?;
        let ids: Vec<RoomId> = listed.rooms.iter().map(|state| state.room.id).collect();
        ensure!(ids.contains(&alive) && ids.contains(&younger), "a room that is alive is not listed");
        ensure!(!ids.contains(&ended.room.id), "the ended room is listed");
        // One more was made to look at the clock.
        ensure_eq!((ids.len(), listed.total, listed.more), (3, 3, false), "listed, in all, and more");
        let one = store.active_rooms(None, 1).await?;
        ensure_eq!((one.total, one.more), (3, true), "in all, and more, on a page of one");
        let behind = store.active_rooms(Some((ended.room.created_at, ended.room.id)), 100).await?;
        ensure_eq!(behind.rooms.iter().map(|state| state.room.id).collect::<Vec<_>>(), [alive], "behind the ended one");
    }
    Ok(())
}

pub async fn contract_4_an_ended_room_takes_no_change(on: &dyn Fixture) -> Outcome {
    let ended = ended_room(&on.store()).await?;
    let (id, message) = (ended.room.id, &ended.messages[0]);
    for store in [on.store(), on.second_handle()] {
        for commit in [
            send(id, &named_user("ann"), "too late"),
            send_as(id, &named_user("ann"), "hello", "one"),
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

pub async fn contract_4_nothing_of_an_ended_room_is_found_under_its_id_again(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ended = ended_room(&store).await?;
    let id = ended.room.id;
    ensure_refused!(store.commit(send(id, &named_user("ann"), "late")).await, StoreError::NotFound, "a late send");
    let code = RoomCode::random(6);
    let state = store.create_room(id, &code, DAY).await?;
    ensure_eq!(state.room.code, code, "the code");
    ensure_eq!((state.head, state.message_count, state.user_count), (Position::START, 0, 0), "the new room");
    let picture = Picture::of(&store, id).await?;
    ensure_eq!((picture.head, picture.message_count, picture.user_count), (Position::START, 0, 0), "the new room");
    ensure!(picture.messages.is_empty() && picture.log.is_empty() && picture.users.is_empty(), "left: {picture:?}");
    for position in [ended.log[0].position, ended.head] {
        ensure_refused!(store.read_log(id, position, 10).await, StoreError::ForeignPosition, "an old position");
    }
    let first = new(&store, send_as(id, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!((first.position.seq.0, first.message.id.index), (1, 0), "the first send of the new room");
    ensure_eq!(log_of(&store, id).await?, [first], "the log of the new room");
    ensure_eq!(store.users(id, ALL).await?.total, 1, "the users of the new room");
    Ok(())
}

pub async fn contract_4_a_room_is_never_seen_at_its_end_or_later(on: &dyn Fixture) -> Outcome {
    let ttl = Duration::from_millis(700);
    let store = on.store();
    let created = store.create_room(RoomId::random(), &RoomCode::random(6), ttl).await?;
    let room = created.room.clone();
    ensure_eq!(room.expires_at, room.created_at.plus(ttl), "the end");
    ensure!(created.now >= room.created_at && created.now < room.expires_at, "{created:?} is not within its life");
    let asked = async {
        loop {
            match store.snapshot(room.id, Some(ALL)).await {
                Ok(seen) => ensure!(seen.state.now < room.expires_at, "{:?} was seen after its end", seen.state),
                Err(StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            match store.commit(send(room.id, &named_user("ann"), "still here")).await {
                Ok(sent) => {
                    let at = sent.into_event().at;
                    ensure!(at < room.expires_at, "a send at {at:?} was taken after the end");
                }
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(on.patience(), "the end of the room", asked).await?
}

pub async fn contract_4_a_user_outlives_its_rooms(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let state = store.create_room(RoomId::random(), &RoomCode::random(6), SHORT).await?;
    let keep_until = state.room.expires_at.plus(DAY);
    let mut wallet = Wallet::of("ann");
    let created = store.authenticate(wallet.ask(keep_until, true)).await?;
    ensure!(matches!(created, Admitted::Created(_)), "a new user: {created:?}");
    wallet.take_next();
    new(&store, send(state.room.id, wallet.user(), "hello")).await?;
    wait_until(&store, state.room.expires_at).await?;
    let later = store.authenticate(wallet.ask(keep_until, false)).await?;
    ensure_eq!(later, Admitted::Rotated(wallet.user().clone()), "the user after the room's end");
    Ok(())
}

pub async fn contract_4_an_expired_user_is_unknown(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let clock = room(&store).await?;
    let end = store.snapshot(clock, None).await?.state.now.plus(SHORT);
    let mut wallet = Wallet::of("ann");
    authenticate(&store, &mut wallet, end).await?;
    wait_until(&store, end).await?;
    let asked = store.authenticate(wallet.ask(end.plus(DAY), false)).await?;
    ensure_eq!(asked, Admitted::Unknown, "the user after its end, with the token it had");
    let mut somebody = Wallet::of("ann");
    let created = store.authenticate(somebody.ask(end.plus(DAY), true)).await?;
    ensure_eq!(created, Admitted::Created(somebody.user().clone()), "the id, taken by somebody else");
    somebody.take_next();
    let old = store.authenticate(wallet.ask(end.plus(DAY), true)).await?;
    ensure_eq!(old, Admitted::WrongToken, "the token of the user who had the id before");
    Ok(())
}

pub async fn contract_4_every_admission_can_lengthen_a_users_life_and_none_shortens_it(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let clock = room(&store).await?;
    let now = store.snapshot(clock, None).await?.state.now;
    let (soon, late) = (now.plus(SHORT), now.plus(DAY));
    let mut kept = Wallet::of("kept");
    authenticate(&store, &mut kept, late).await?;
    let rotated = store.authenticate(kept.ask(soon, false)).await?;
    ensure!(matches!(rotated, Admitted::Rotated(_)), "{rotated:?}");
    let repeated = store.authenticate(kept.ask(soon, false)).await?;
    ensure!(matches!(repeated, Admitted::Repeated(..)), "{repeated:?}");
    let mut rotated_late = Wallet::of("rotated late");
    authenticate(&store, &mut rotated_late, soon).await?;
    store.authenticate(rotated_late.ask(late, false)).await?;
    let mut repeated_late = Wallet::of("repeated late");
    authenticate(&store, &mut repeated_late, soon).await?;
    store.authenticate(repeated_late.ask(soon, false)).await?;
    store.authenticate(repeated_late.ask(late, false)).await?;
    wait_until(&store, soon).await?;
    for wallet in [kept, rotated_late, repeated_late] {
        let asked = store.authenticate(wallet.ask(late, false)).await?;
        ensure!(matches!(asked, Admitted::Repeated(..)), "{:?} was forgotten early: {asked:?}", wallet.user().id);
    }
    Ok(())
}
