//! Clause 14: how much a room takes, and that deletions always find space.

use livechat::store::{Committed, RoomLimits, StoreError};

use super::fixture::Fixture;
use super::kit::*;

/// A room whose log takes so many entries.
fn with_events(events: u64) -> RoomLimits {
    RoomLimits { events, ..ROOMY }
}

pub async fn contract_14_a_log_that_is_full_takes_deletions_and_nothing_else(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let limits = with_events(6);
    // Two messages, two entries for their deletion, and two edits.
    let one = new(&store, with_limits(send(room, &ann, "one"), limits)).await?.message;
    let two = new(&store, with_limits(send(room, &ann, "two"), limits)).await?.message;
    let one = new(&store, with_limits(edit(&one, "one, edited"), limits)).await?.message;
    let another = store.commit(with_limits(send(room, &named_user("bob"), "three"), limits)).await;
    ensure_refused!(another, StoreError::Full, "a third message");
    let two = new(&store, with_limits(edit(&two, "two, edited"), limits)).await?.message;
    let before = Picture::of(&store, room).await?;
    for store in [on.store(), on.second_handle()] {
        let another = store.commit(with_limits(send_as(room, &named_user("bob"), "three", "id"), limits)).await;
        ensure_refused!(another, StoreError::Full, "a message for a log that is full");
        let change = store.commit(with_limits(edit(&two, "again"), limits)).await;
        ensure_refused!(change, StoreError::Full, "an edit for a log that is full");
        let change = store.commit(with_limits(edit(&two, "again"), with_events(0))).await;
        ensure_refused!(change, StoreError::Full, "an edit for a log without any space");
    }
    ensure_eq!(Picture::of(&store, room).await?, before, "the room after what was refused");
    new(&store, delete(&one)).await?;
    // What a deletion was given is used up by it.
    let another = store.commit(with_limits(send(room, &ann, "three"), limits)).await;
    ensure_refused!(another, StoreError::Full, "a message in the place of a deleted one");
    let change = store.commit(with_limits(edit(&two, "again"), limits)).await;
    ensure_refused!(change, StoreError::Full, "an edit in the place of a deletion");
    new(&store, delete(&two)).await?;
    ensure_eq!(log_of(&store, room).await?.len(), 6, "entries");
    Ok(())
}

pub async fn contract_14_a_message_takes_so_many_edits(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let limits = RoomLimits { edits: 3, ..ROOMY };
    let never = RoomLimits { edits: 0, ..ROOMY };
    let (mut one, two) =
        (new(&store, send(room, &ann, "one")).await?.message, new(&store, send(room, &ann, "two")).await?.message);
    let change = store.commit(with_limits(edit(&one, "edited"), never)).await;
    ensure_refused!(change, StoreError::EditLimit, "an edit where none may be");
    for n in 1..=3 {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        one = new(&store, with_limits(edit(&one, &format!("edited {n}")), limits)).await?.message;
    }
    let before = Picture::of(&store, room).await?;
    let change = store.commit(with_limits(edit(&one, "edited 4"), limits)).await;
    ensure_refused!(change, StoreError::EditLimit, "a fourth edit");
    ensure_eq!(Picture::of(&store, room).await?, before, "the room after what was refused");
    // Another message has its own, a stale edit is stale first, and a deletion is no edit.
    new(&store, with_limits(edit(&two, "edited"), limits)).await?;
    let stale = store.commit(with_limits(edit(&two, "stale"), never)).await;
    ensure_refused!(stale, StoreError::Conflict, "a stale edit");
    new(&store, delete(&one)).await?;
    Ok(())
}

pub async fn contract_14_each_message_keeps_an_entry_for_its_deletion_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let limits = with_events(15);
    let answers =
        side_by_side(
            (0..24).map(|n| {
                let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
                async move {
                    store.commit(with_limits(send(room, &named_user(&format!("user {n}")), "me too"), limits)).await
                }
            }),
        )
        .await;
    let full = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Full))).count();
    let messages: Vec<_> = answers.into_iter().filter_map(Result::ok).map(|it| it.into_event().message).collect();
    ensure_eq!((messages.len(), full), (7, 17), "accepted and refused of 24 sends into a log of 15");
    // One entry is left, and as many who want it as there are messages.
    let answers = side_by_side(messages.iter().enumerate().map(|(n, message)| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let commit = with_limits(edit(message, "edited"), limits);
        async move { store.commit(commit).await }
    }))
    .await;
    ensure_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Committed::New(_)))).count(), 1, "edits accepted");
    for message in messages_of(&store, room).await? {
        new(&store, delete(&message)).await?;
    }
    ensure_eq!(log_of(&store, room).await?.len(), 15, "entries");
    Ok(())
}

pub async fn contract_14_edits_of_one_message_are_counted_under_contention(on: &dyn Fixture) -> Outcome {
    const MOST: u64 = 6;
    let store = on.store();
    let room = room(&store).await?;
    new(&store, send(room, &named_user("ann"), "hello")).await?;
    let accepted = side_by_side((0..4).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let mut accepted = 0;
            loop {
                let Some(message) = messages_of(&store, room).await?.pop() else { return Ok(accepted) };
                let limits = RoomLimits { edits: MOST, ..ROOMY };
                match store.commit(with_limits(edit(&message, &format!("{n}, {accepted}")), limits)).await {
                    Ok(_) => accepted += 1,
                    Err(StoreError::Conflict) => {}
                    Err(StoreError::EditLimit) => return Ok(accepted),
                    Err(error) => return Err(Breach::from(error)),
                }
                ensure!(accepted <= 2 * MOST, "there is no end to the edits of one message");
            }
        }
    }))
    .await;
    let accepted: Vec<u64> = accepted.into_iter().collect::<Outcome<_>>()?;
    ensure_eq!(accepted.iter().sum::<u64>(), MOST, "edits accepted");
    ensure_eq!(log_of(&store, room).await?.len() as u64, 1 + MOST, "entries");
    Ok(())
}

pub async fn contract_14_a_repeat_is_known_where_the_log_is_full(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let commit = || with_limits(send_as(room, &named_user("ann"), "once", "id"), with_events(2));
    let first = new(&store, commit()).await?;
    ensure_eq!(repeated(&on.second_handle(), commit()).await?, first, "the repeat");
    Ok(())
}
