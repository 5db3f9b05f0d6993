//! Authenticating and committing in one operation: the promises in the doc comment of `send`.

use livechat::domain::position::EntryTag;
use livechat::domain::room::RoomId;
use livechat::store::{Admitted, Committed, NewMessage, RoomLimits, Sent, StoreError};

use super::fixture::Fixture;
use super::kit::*;
use super::users::{Credentials, FAR_FUTURE, ensure_current};

fn new_message(room: RoomId, words: &str, id: Option<&str>) -> NewMessage {
    let client_message_id = id.map(client_id);
    let (tag, text) = (EntryTag::random(), text(words));
    NewMessage { room, tag, text, client_message_id, reply_to: None, is_owner: false, address: None, limits: ROOMY }
}

/// The event of a send, which must be new.
fn new_event(sent: Sent) -> Outcome<livechat::domain::event::Event> {
    match sent.committed {
        Some(Committed::New(event)) => Ok(event),
        other => Err(Breach(format!("a new message was not sent: {other:?}"))),
    }
}

pub async fn a_send_registers_its_author_and_is_visible_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Credentials::new("ann"));
    let mut feed = FeedReader::open(on, &store, room).await?;
    let mut events = Vec::new();
    for (words, expected) in [
        ("one", Admitted::Created(ann.user().clone())),
        ("two", Admitted::Rotated(ann.user().clone())),
        ("three", Admitted::Rotated(ann.user().clone())),
    ] {
        let sent = store.send(ann.admission(FAR_FUTURE, true), new_message(room, words, None)).await?;
        ann.take_next();
        ensure_eq!(sent.admitted, expected, "the author of {words}");
        events.push(new_event(sent)?);
    }
    let contents = RoomContents::read(&on.second_handle(), room).await?;
    ensure_eq!(contents.log, events, "the log");
    ensure_eq!(contents.head, events[2].position, "the head");
    ensure_eq!((contents.message_count, contents.user_count), (3, 1), "messages and users");
    ensure_eq!(contents.users, vec![ann.user().clone()], "the users");
    let messages: Vec<_> = events.iter().map(|event| message_of(event).clone()).collect();
    ensure_eq!(contents.messages, messages, "the messages");
    for event in &events {
        ensure_eq!(feed.event().await?, *event, "the event of the feed");
    }
    ensure_current(&store, &mut ann).await
}

pub async fn a_send_whose_response_was_lost_can_be_repeated_with_its_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Credentials::new("ann"));
    store.send(ann.admission(FAR_FUTURE, true), new_message(room, "before", None)).await?;
    ann.take_next();
    let first = new_event(store.send(ann.admission(FAR_FUTURE, true), new_message(room, "once", Some("id"))).await?)?;
    let again = ann.retry().admission(FAR_FUTURE, true);
    let sent = on.second_handle().send(again, new_message(room, "once", Some("id"))).await?;
    ensure_eq!(sent.committed, Some(Committed::Repeated(first)), "the repeat");
    ensure!(matches!(sent.admitted, Admitted::Repeated(..)), "the author of the repeat: {:?}", sent.admitted);
    ensure_eq!(messages_of(&store, room).await?.len(), 2, "messages");
    ann.take_next();
    ensure_current(&store, &mut ann).await
}

pub async fn a_send_by_a_user_who_is_not_admitted_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Credentials::new("ann"));
    store.send(ann.admission(FAR_FUTURE, true), new_message(room, "before", None)).await?;
    ann.take_next();
    let before = RoomContents::read(&store, room).await?;
    for (stranger, expected) in
        [(Credentials::new("ann"), Admitted::WrongToken), (Credentials::new("bob"), Admitted::Unknown)]
    {
        let sent = store.send(stranger.admission(FAR_FUTURE, false), new_message(room, "no", None)).await?;
        ensure_eq!(sent, Sent { admitted: expected, committed: None }, "a send by a stranger");
    }
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room");
    ensure_current(&store, &mut ann).await
}

pub async fn a_refused_send_registers_no_user_and_still_rotates_a_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Credentials::new("ann"));
    store.send(ann.admission(FAR_FUTURE, true), new_message(room, "before", None)).await?;
    ann.take_next();
    let before = RoomContents::read(&store, room).await?;
    let full = || NewMessage { limits: RoomLimits { messages: 1, ..ROOMY }, ..new_message(room, "no", None) };
    let missing = || new_message(RoomId::random(), "no", None);
    for name in ["bob", "cid"] {
        let new_user = Credentials::new(name);
        ensure_refused!(
            store.send(new_user.admission(FAR_FUTURE, true), full()).await,
            StoreError::Full,
            "a full room"
        );
        ensure_refused!(
            store.send(new_user.admission(FAR_FUTURE, true), missing()).await,
            StoreError::NotFound,
            "no room"
        );
        let admitted = on.second_handle().authenticate(new_user.admission(FAR_FUTURE, false)).await?;
        ensure_eq!(admitted, Admitted::Unknown, "a new user whose first message was refused");
    }
    ensure_refused!(store.send(ann.admission(FAR_FUTURE, true), full()).await, StoreError::Full, "a full room");
    ann.take_next();
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room");
    ensure_current(&store, &mut ann).await
}

pub async fn concurrent_sends_are_each_in_the_log_once(on: &dyn Fixture) -> Outcome {
    const EACH: usize = 10;
    let store = on.store();
    let (one, other) = (room(&store).await?, room(&store).await?);
    let all = run_concurrently((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let mut credentials = Credentials::new(&format!("user {n}"));
            for i in 0..EACH {
                let room = if i % 2 == 0 { one } else { other };
                store
                    .send(credentials.admission(FAR_FUTURE, true), new_message(room, &format!("{n}, {i}"), None))
                    .await?;
                credentials.take_next();
            }
            Ok::<_, StoreError>(())
        }
    }))
    .await;
    all.into_iter().collect::<Result<Vec<_>, _>>()?;
    for room in [one, other] {
        let contents = RoomContents::read(&store, room).await?;
        ensure_eq!((contents.message_count, contents.user_count), (20 * EACH as u64 / 2, 20), "messages and users");
        ensure_eq!(contents.messages.len(), 20 * EACH / 2, "messages");
        ensure_eq!(contents.users.len(), 20, "users");
        for (place, event) in contents.log.iter().enumerate() {
            ensure_eq!(
                (event.position.seq.0, message_of(event).id.index),
                (place as u64 + 1, place as u64),
                "an entry"
            );
        }
        ensure_eq!(contents.log.last().map(|event| event.position), Some(contents.head), "the head");
    }
    Ok(())
}

pub async fn contract_12_one_refused_first_send_does_not_undo_a_concurrent_one(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (full, roomy) = (room(&store).await?, room(&store).await?);
    commit_new(&store, send(full, &named_user("ann"), "the only one")).await?;
    for n in 0..30 {
        let name = format!("new user {n}");
        let new_user = Credentials::with_own_token(&name);
        let again = new_user.retry();
        let (one, other) = (on.store(), on.second_handle());
        let (asks, asks_again) = (new_user.admission(FAR_FUTURE, true), again.admission(FAR_FUTURE, true));
        let (refused, accepted) = tokio::join!(
            one.send(asks, NewMessage { limits: RoomLimits { messages: 1, ..ROOMY }, ..new_message(full, "no", None) }),
            other.send(asks_again, new_message(roomy, "yes", None)),
        );
        ensure_refused!(refused, StoreError::Full, "the send to a full room");
        let accepted = accepted?;
        ensure!(accepted.committed.is_some(), "the other send was not accepted: {:?}", accepted.admitted);
        let claimed = store.authenticate(Credentials::new(&name).admission(FAR_FUTURE, true)).await?;
        ensure_eq!(claimed, Admitted::WrongToken, "another client that claims the id of an accepted message's author");
        let known = store.authenticate(new_user.retry().admission(FAR_FUTURE, false)).await?;
        ensure!(matches!(known, Admitted::Repeated(..)), "the author of the accepted message: {known:?}");
    }
    Ok(())
}
