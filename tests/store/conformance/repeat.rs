//! Clause 3: a send that is repeated under its sender's own id for it is one send.

use livechat::domain::event::EventKind;
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::store::Committed;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_3_a_repeat_returns_the_first_result_and_writes_nothing(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let ann = named_user("ann");
    let first = new(&store, send_as(room, &ann, "hello", "one")).await?;
    let before = Picture::of(&store, room).await?;
    let mut listener = Listener::to(on, &store, room).await?;
    let renamed = User { display_name: DisplayName::from_stored("somebody else".into()), ..ann.clone() };
    for store in [on.store(), on.second_handle()] {
        for author in [&ann, &renamed] {
            let again = repeated(&store, send_as(room, author, "other words", "one")).await?;
            ensure_eq!(again, first, "the result of a repeat");
        }
    }
    ensure_eq!(Picture::of(&store, room).await?, before, "the room after repeats");
    let next = new(&store, send(room, &ann, "what follows")).await?;
    ensure_eq!(listener.event().await?, next, "what is announced after repeats");
    Ok(())
}

pub async fn contract_3_a_repeat_shows_the_message_as_it_is_now(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let first = new(&store, send_as(room, &named_user("ann"), "hello", "one")).await?;
    let edited = new(&store, edit(&first.message, "changed")).await?;
    let again = repeated(&store, send_as(room, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!((again.kind, again.position, again.at), (EventKind::Sent, first.position, first.at), "the first event");
    ensure_eq!(again.message, edited.message, "the message");
    Ok(())
}

pub async fn contract_3_a_repeat_of_a_deleted_message_has_no_text(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let first = new(&store, send_as(room, &named_user("ann"), "hello", "one")).await?;
    let deleted = new(&store, delete(&first.message)).await?;
    let again = repeated(&store, send_as(room, &named_user("ann"), "hello", "one")).await?;
    ensure_eq!((again.kind, again.position), (EventKind::Sent, first.position), "the first event");
    ensure_eq!(again.message, deleted.message, "the message");
    ensure_eq!(again.message.text, None, "the text");
    Ok(())
}

pub async fn contract_3_another_user_or_room_or_id_is_not_a_repeat(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    let (ann, bob) = (named_user("ann"), named_user("bob"));
    new(&store, send_as(one, &ann, "hello", "one")).await?;
    for commit in [
        send_as(one, &bob, "hello", "one"),
        send_as(two, &ann, "hello", "one"),
        send_as(two, &bob, "hello", "one"),
        send_as(one, &ann, "hello", "two"),
    ] {
        new(&store, commit).await?;
    }
    ensure_eq!(messages_of(&store, one).await?.len(), 3, "the messages of the first room");
    ensure_eq!(messages_of(&store, two).await?.len(), 2, "the messages of the second room");
    Ok(())
}

pub async fn contract_3_ids_that_look_alike_are_not_repeats(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let ann = named_user("ann");
    for id in ["one", "One", "one ", " one", "one1", "1", "01", "1.0", "é", "e\u{301}", "*", "on?", ":"] {
        new(&store, send_as(room, &ann, "hello", id)).await?;
    }
    // The same when written one after the other, with or without something between.
    for between in ["", ":", "/", " ", "|", "-"] {
        let user = |id: String| User { id: UserId::from_stored(id), ..named_user("joined") };
        new(&store, send_as(room, &user(format!("a-long-user-id{between}b")), "hello", "c")).await?;
        new(&store, send_as(room, &user("a-long-user-id".into()), "hello", &format!("b{between}c"))).await?;
    }
    Ok(())
}

pub async fn contract_3_sends_without_an_id_are_never_repeats(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    for index in 0..3 {
        let event = new(&store, send(room, &named_user("ann"), "hello")).await?;
        ensure_eq!(event.message.id.index, index, "the index");
    }
    Ok(())
}

pub async fn contract_3_a_repeat_is_known_in_a_full_room(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let only = with_capacity(send_as(room, &named_user("ann"), "hello", "one"), 1);
    let first = new(&store, only.clone()).await?;
    ensure_eq!(repeated(&store, only).await?, first, "the result of a repeat");
    Ok(())
}

pub async fn contract_3_concurrent_repeats_are_one_message(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let answers = side_by_side((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move { store.commit(send_as(room, &named_user("ann"), &format!("words {n}"), "one")).await }
    }))
    .await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let accepted = answers.iter().filter(|answer| matches!(answer, Committed::New(_))).count();
    ensure_eq!(accepted, 1, "the accepted of 20 repeats");
    let log = log_of(&store, room).await?;
    ensure_eq!(log.len(), 1, "the entries of the log");
    for answer in answers {
        ensure_eq!(answer.into_event(), log[0], "the answer of each");
    }
    Ok(())
}
