//! Clause 3: a send that repeats a client message id is the same send.

use livechat::domain::event::EventKind;
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::store::Committed;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_3_a_repeat_returns_the_first_result_and_writes_nothing(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let ann = named_user("ann");
    let first = commit_new(&store, send_with_id(room, &ann, "hello", "one")).await?;
    let before = RoomContents::read(&store, room).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let renamed = User { display_name: DisplayName::from_stored("somebody else".into()), ..ann.clone() };
    for store in [on.store(), on.second_handle()] {
        for author in [&ann, &renamed] {
            let again = commit_repeated(&store, send_with_id(room, author, "other words", "one")).await?;
            ensure_eq!(again, first, "the result of a repeat");
        }
    }
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after repeats");
    let next = commit_new(&store, send(room, &ann, "next")).await?;
    ensure_eq!(feed.event().await?, next, "the next event of the feed after repeats");
    Ok(())
}

pub async fn contract_3_a_repeat_returns_the_message_in_its_current_state(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let first = commit_new(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    let edited = commit_new(&store, edit(message_of(&first), "changed")).await?;
    let again = commit_repeated(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!((again.position, again.at), (first.position, first.at), "the first event");
    ensure_eq!(again.kind, EventKind::Sent(into_message(edited)), "its kind and message");
    Ok(())
}

pub async fn contract_3_a_repeat_of_a_deleted_message_has_no_text(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let first = commit_new(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    let deleted = commit_new(&store, delete(message_of(&first))).await?;
    let again = commit_repeated(&store, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!(again.position, first.position, "the first event");
    ensure_eq!(message_of(&again).text, None, "the text");
    ensure_eq!(again.kind, EventKind::Sent(into_message(deleted)), "its kind and message");
    Ok(())
}

pub async fn contract_3_another_user_or_room_or_id_is_not_a_repeat(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    let (ann, bob) = (named_user("ann"), named_user("bob"));
    commit_new(&store, send_with_id(one, &ann, "hello", "one")).await?;
    for commit in [
        send_with_id(one, &bob, "hello", "one"),
        send_with_id(two, &ann, "hello", "one"),
        send_with_id(two, &bob, "hello", "one"),
        send_with_id(one, &ann, "hello", "two"),
    ] {
        commit_new(&store, commit).await?;
    }
    ensure_eq!(messages_of(&store, one).await?.len(), 3, "the messages of the first room");
    ensure_eq!(messages_of(&store, two).await?.len(), 2, "the messages of the second room");
    Ok(())
}

pub async fn contract_3_similar_ids_are_not_repeats(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let ann = named_user("ann");
    for id in ["one", "One", "one ", " one", "one1", "1", "01", "1.0", "é", "e\u{301}", "*", "on?", ":"] {
        commit_new(&store, send_with_id(room, &ann, "hello", id)).await?;
    }
    // Pairs of user id and client message id that are equal when joined.
    for between in ["", ":", "/", " ", "|", "-"] {
        let user = |id: String| User { id: UserId::from_stored(id), ..named_user("joined") };
        commit_new(&store, send_with_id(room, &user(format!("a-long-user-id{between}b")), "hello", "c")).await?;
        commit_new(&store, send_with_id(room, &user("a-long-user-id".into()), "hello", &format!("b{between}c")))
            .await?;
    }
    Ok(())
}

pub async fn contract_3_sends_without_an_id_are_never_repeats(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    for index in 0..3 {
        let event = commit_new(&store, send(room, &named_user("ann"), "hello")).await?;
        ensure_eq!(message_of(&event).id.index, index, "the index");
    }
    Ok(())
}

pub async fn contract_3_a_repeat_is_recognized_in_a_full_room(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let only = with_capacity(send_with_id(room, &named_user("ann"), "hello", "one"), 1);
    let first = commit_new(&store, only.clone()).await?;
    ensure_eq!(commit_repeated(&store, only).await?, first, "the result of a repeat");
    Ok(())
}

pub async fn contract_3_concurrent_repeats_create_one_message(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let results = run_concurrently((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move { store.commit(send_with_id(room, &named_user("ann"), &format!("words {n}"), "one")).await }
    }))
    .await;
    let results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    let accepted = results.iter().filter(|result| matches!(result, Committed::New(_))).count();
    ensure_eq!(accepted, 1, "the accepted of 20 repeats");
    let log = log_of(&store, room).await?;
    ensure_eq!(log.len(), 1, "the entries of the log");
    for result in results {
        ensure_eq!(result.into_event(), log[0], "the result of each");
    }
    Ok(())
}
