//! Clause 13: an operation whose caller stops waiting completes or leaves nothing behind.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use livechat::domain::position::EntryTag;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::store::{Admitted, NewMessage, RoomLimits, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;
use super::users::{Credentials, FAR_FUTURE};

/// How many callers stop waiting. Each is polled once more often than the one before.
const CALLERS: usize = 24;

/// Drops `operation` after `polls` polls, or when it is done.
async fn abandon_after(polls: usize, operation: impl Future) {
    let (mut operation, mut polled) = (pin!(operation), 0);
    std::future::poll_fn(|cx| {
        polled += 1;
        if operation.as_mut().poll(cx).is_ready() || polled >= polls { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn new_message(room: RoomId, words: &str, capacity: u64) -> NewMessage {
    NewMessage {
        room,
        tag: EntryTag::random(),
        text: text(words),
        client_message_id: None,
        reply_to: None,
        is_owner: false,
        address: None,
        limits: RoomLimits { messages: capacity, ..ROOMY },
    }
}

async fn is_registered(store: &Arc<dyn Store>, credentials: &Credentials) -> Outcome<bool> {
    Ok(store.authenticate(credentials.retry().admission(FAR_FUTURE, false)).await? != Admitted::Unknown)
}

/// Waits until `is_settled` holds.
async fn wait_until_settled<F: Future<Output = Outcome<bool>>>(
    on: &dyn Fixture,
    what: &str,
    mut is_settled: impl FnMut() -> F,
) -> Outcome {
    with_timeout(on.timeout(), what, async {
        while !is_settled().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?
}

pub async fn contract_13_an_abandoned_refused_send_leaves_its_author_unknown(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    commit_new(&store, send(room, &named_user("ann"), "the only one")).await?;
    for polls in 1..=CALLERS {
        let new_user = Credentials::new(&format!("new user {polls}"));
        abandon_after(polls, store.send(new_user.admission(FAR_FUTURE, true), new_message(room, "no", 1))).await;
        wait_until_settled(on, &format!("the undoing of a send that was abandoned after {polls} polls"), async || {
            Ok(!is_registered(&store, &new_user).await?)
        })
        .await?;
    }
    ensure_eq!(messages_of(&store, room).await?.len(), 1, "messages");
    Ok(())
}

pub async fn contract_13_an_abandoned_send_stores_message_and_author_or_neither(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    for polls in 1..=CALLERS {
        let new_user = Credentials::new(&format!("new user {polls}"));
        abandon_after(
            polls,
            store.send(new_user.admission(FAR_FUTURE, true), new_message(room, "hello", ROOMY.messages)),
        )
        .await;
        wait_until_settled(on, &format!("the end of a send that was abandoned after {polls} polls"), async || {
            let users = store.users(room, ALL).await?.users;
            Ok(is_registered(&store, &new_user).await? == users.contains(new_user.user()))
        })
        .await?;
    }
    Ok(())
}

pub async fn contract_13_an_abandoned_room_is_created_and_listed_or_neither(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    for polls in 1..=CALLERS {
        let (id, code) = (RoomId::random(), RoomCode::random(6));
        abandon_after(polls, store.create_room(new_room(id, &code, DAY))).await;
        wait_until_settled(on, &format!("the end of a creation that was abandoned after {polls} polls"), async || {
            let is_there = match store.snapshot(id, None).await {
                Ok(_) => true,
                Err(StoreError::NotFound) => false,
                Err(error) => return Err(error.into()),
            };
            let listed = store.active_rooms(None, 100).await?.rooms;
            Ok(is_there == listed.iter().any(|state| state.room.id == id))
        })
        .await?;
    }
    Ok(())
}
