//! Clause 9: errors mean the same in every store. That refused changes leave no trace is part of clause 1.

use livechat::domain::message::{Message, MessageId};
use livechat::domain::page::Window;
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::RoomId;
use livechat::store::StoreError;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_9_a_missing_room_is_not_found(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let sent = into_message(commit_new(&store, send(room(&store).await?, &named_user("ann"), "hello")).await?);
    let missing = RoomId::random();
    let message = Message { id: MessageId { room: missing, index: 0 }, ..sent };
    ensure_refused!(store.snapshot(missing, None).await, StoreError::NotFound, "the room");
    ensure_refused!(store.snapshot(missing, Some(Window::only(0))).await, StoreError::NotFound, "a message");
    ensure_refused!(store.users(missing, ALL).await, StoreError::NotFound, "the users");
    for position in
        [Position::START, Position { seq: Seq(1), tag: EntryTag(1) }, Position { seq: Seq(0), tag: EntryTag(1) }]
    {
        ensure_refused!(store.read_log(missing, position, 10).await, StoreError::NotFound, "the log");
    }
    for commit in [
        send(missing, &named_user("ann"), "hello"),
        send_with_id(missing, &named_user("ann"), "hello", "one"),
        with_capacity(send(missing, &named_user("ann"), "hello"), 0),
        edit(&message, "changed"),
        delete(&message),
    ] {
        ensure_refused!(store.commit(commit.clone()).await, StoreError::NotFound, "{commit:?}");
    }
    Ok(())
}

pub async fn contract_9_a_missing_message_is_not_found(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, other) = (room(&store).await?, room(&store).await?);
    let only = into_message(commit_new(&store, send(room, &named_user("ann"), "hello")).await?);
    let elsewhere = Message { id: MessageId { room: other, index: 0 }, ..only.clone() };
    let behind = Message { id: MessageId { room, index: 1 }, ..only };
    for message in [elsewhere, behind] {
        ensure_refused!(store.commit(edit(&message, "changed")).await, StoreError::NotFound, "an edit of nothing");
        ensure_refused!(store.commit(delete(&message)).await, StoreError::NotFound, "a delete of nothing");
    }
    Ok(())
}

pub async fn contract_9_a_stale_revision_is_a_conflict(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let sent = into_message(commit_new(&store, send(room, &named_user("ann"), "hello")).await?);
    commit_new(&store, edit(&sent, "changed")).await?;
    for revision in [Seq(0), sent.revision, Seq(3), Seq(u64::MAX)] {
        let stale = Message { revision, ..sent.clone() };
        ensure_refused!(store.commit(edit(&stale, "late")).await, StoreError::Conflict, "an edit of {revision:?}");
        ensure_refused!(store.commit(delete(&stale)).await, StoreError::Conflict, "a delete of {revision:?}");
    }
    Ok(())
}

pub async fn contract_9_a_send_to_a_full_room_is_refused_as_full(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let none = store.commit(with_capacity(send(room, &named_user("ann"), "hello"), 0)).await;
    ensure_refused!(none, StoreError::Full, "a send into a room for none");
    commit_new(&store, with_capacity(send(room, &named_user("ann"), "hello"), 1)).await?;
    let second = store.commit(with_capacity(send(room, &named_user("ann"), "hello"), 1)).await;
    ensure_refused!(second, StoreError::Full, "a second send into a room for one");
    Ok(())
}

pub async fn contract_9_a_working_store_answers_a_ping(on: &dyn Fixture) -> Outcome {
    for store in [on.store(), on.second_handle(), on.reopen_after_kill().await] {
        store.ping().await?;
    }
    Ok(())
}
