//! Clause 14: the limits of a room, and the space reserved for deletions.

use livechat::store::{Committed, RoomLimits, StoreError};

use super::fixture::Fixture;
use super::kit::*;

/// Limits with a log of `events` entries.
fn with_events(events: u64) -> RoomLimits {
    RoomLimits { events, ..ROOMY }
}

pub async fn contract_14_a_full_log_accepts_only_deletions(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let limits = with_events(6);
    // Space for two messages, their deletions, and two edits.
    let one = into_message(commit_new(&store, with_limits(send(room, &ann, "one"), limits)).await?);
    let two = into_message(commit_new(&store, with_limits(send(room, &ann, "two"), limits)).await?);
    let one = into_message(commit_new(&store, with_limits(edit(&one, "one, edited"), limits)).await?);
    let another = store.commit(with_limits(send(room, &named_user("bob"), "three"), limits)).await;
    ensure_refused!(another, StoreError::Full, "a third message");
    let two = into_message(commit_new(&store, with_limits(edit(&two, "two, edited"), limits)).await?);
    let before = RoomContents::read(&store, room).await?;
    for store in [on.store(), on.second_handle()] {
        let another = store.commit(with_limits(send_with_id(room, &named_user("bob"), "three", "id"), limits)).await;
        ensure_refused!(another, StoreError::Full, "a message for a log that is full");
        let change = store.commit(with_limits(edit(&two, "again"), limits)).await;
        ensure_refused!(change, StoreError::Full, "an edit for a log that is full");
        let change = store.commit(with_limits(edit(&two, "again"), with_events(0))).await;
        ensure_refused!(change, StoreError::Full, "an edit for a log without any space");
    }
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after the refusals");
    commit_new(&store, delete(&one)).await?;
    // A deletion uses up the entry that was reserved for it.
    let another = store.commit(with_limits(send(room, &ann, "three"), limits)).await;
    ensure_refused!(another, StoreError::Full, "a message in the place of a deleted one");
    let change = store.commit(with_limits(edit(&two, "again"), limits)).await;
    ensure_refused!(change, StoreError::Full, "an edit in the place of a deletion");
    commit_new(&store, delete(&two)).await?;
    ensure_eq!(log_of(&store, room).await?.len(), 6, "entries");
    Ok(())
}

pub async fn contract_14_the_edit_limit_holds(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let limits = RoomLimits { edits: 3, ..ROOMY };
    let no_edits = RoomLimits { edits: 0, ..ROOMY };
    let (mut one, two) = (
        into_message(commit_new(&store, send(room, &ann, "one")).await?),
        into_message(commit_new(&store, send(room, &ann, "two")).await?),
    );
    let change = store.commit(with_limits(edit(&one, "edited"), no_edits)).await;
    ensure_refused!(change, StoreError::EditLimit, "an edit where none may be");
    for n in 1..=3 {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        one = into_message(commit_new(&store, with_limits(edit(&one, &format!("edited {n}")), limits)).await?);
    }
    let before = RoomContents::read(&store, room).await?;
    let change = store.commit(with_limits(edit(&one, "edited 4"), limits)).await;
    ensure_refused!(change, StoreError::EditLimit, "a fourth edit");
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after the refusals");
    // Each message has its own count, a stale edit is a conflict first, and a deletion is not an edit.
    commit_new(&store, with_limits(edit(&two, "edited"), limits)).await?;
    let stale = store.commit(with_limits(edit(&two, "stale"), no_edits)).await;
    ensure_refused!(stale, StoreError::Conflict, "a stale edit");
    commit_new(&store, delete(&one)).await?;
    Ok(())
}

pub async fn contract_14_each_message_reserves_an_entry_for_its_deletion(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let limits = with_events(15);
    let results =
        run_concurrently(
            (0..24).map(|n| {
                let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
                async move {
                    store.commit(with_limits(send(room, &named_user(&format!("user {n}")), "me too"), limits)).await
                }
            }),
        )
        .await;
    let full = results.iter().filter(|result| matches!(result, Err(StoreError::Full))).count();
    let messages: Vec<_> = results.into_iter().filter_map(Result::ok).map(|it| into_message(it.into_event())).collect();
    ensure_eq!((messages.len(), full), (7, 17), "accepted and refused of 24 sends into a log of 15");
    // One entry is left, and one edit per message competes for it.
    let results = run_concurrently(messages.iter().enumerate().map(|(n, message)| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let commit = with_limits(edit(message, "edited"), limits);
        async move { store.commit(commit).await }
    }))
    .await;
    ensure_eq!(results.iter().filter(|result| matches!(result, Ok(Committed::New(_)))).count(), 1, "edits accepted");
    for message in messages_of(&store, room).await? {
        commit_new(&store, delete(&message)).await?;
    }
    ensure_eq!(log_of(&store, room).await?.len(), 15, "entries");
    Ok(())
}

pub async fn contract_14_the_edit_limit_holds_under_contention(on: &dyn Fixture) -> Outcome {
    const MAX_EDITS: u64 = 6;
    let store = on.store();
    let room = room(&store).await?;
    commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
    let accepted = run_concurrently((0..4).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let mut accepted = 0;
            loop {
                let Some(message) = messages_of(&store, room).await?.pop() else { return Ok(accepted) };
                let limits = RoomLimits { edits: MAX_EDITS, ..ROOMY };
                match store.commit(with_limits(edit(&message, &format!("{n}, {accepted}")), limits)).await {
                    Ok(_) => accepted += 1,
                    Err(StoreError::Conflict) => {}
                    Err(StoreError::EditLimit) => return Ok(accepted),
                    Err(error) => return Err(Breach::from(error)),
                }
                ensure!(accepted <= 2 * MAX_EDITS, "there is no end to the edits of one message");
            }
        }
    }))
    .await;
    let accepted: Vec<u64> = accepted.into_iter().collect::<Outcome<_>>()?;
    ensure_eq!(accepted.iter().sum::<u64>(), MAX_EDITS, "edits accepted");
    ensure_eq!(log_of(&store, room).await?.len() as u64, 1 + MAX_EDITS, "entries");
    Ok(())
}

pub async fn contract_14_a_repeat_is_recognized_in_a_full_log(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let commit = || with_limits(send_with_id(room, &named_user("ann"), "once", "id"), with_events(2));
    let first = commit_new(&store, commit()).await?;
    ensure_eq!(commit_repeated(&on.second_handle(), commit()).await?, first, "the repeat");
    Ok(())
}
