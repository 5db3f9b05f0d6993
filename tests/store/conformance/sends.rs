//! Admitting and committing at once: what the doc comment of `send` promises.

use livechat::domain::event::EntryTag;
use livechat::domain::room::RoomId;
use livechat::store::{Admitted, Committed, NewMessage, RoomLimits, Sent, StoreError};

use super::fixture::Fixture;
use super::kit::*;
use super::users::{KEPT, Wallet, is_current};

fn saying(room: RoomId, words: &str, id: Option<&str>) -> NewMessage {
    let client_message_id = id.map(client_id);
    NewMessage { room, tag: EntryTag::random(), text: text(words), client_message_id, limits: ROOMY }
}

/// The event of a send that must be accepted as new.
fn new_event(sent: Sent) -> Outcome<livechat::domain::event::Event> {
    match sent.committed {
        Some(Committed::New(event)) => Ok(event),
        other => Err(Breach(format!("a new message was not sent: {other:?}"))),
    }
}

pub async fn a_send_makes_its_author_known_and_is_in_every_answer_at_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Wallet::of("ann"));
    let mut listener = Listener::to(on, &store, room).await?;
    let mut events = Vec::new();
    for (words, expected) in [
        ("one", Admitted::Created(ann.user().clone())),
        ("two", Admitted::Rotated(ann.user().clone())),
        ("three", Admitted::Rotated(ann.user().clone())),
    ] {
        let sent = store.send(ann.ask(KEPT, true), saying(room, words, None)).await?;
        ann.take_next();
        ensure_eq!(sent.admitted, expected, "the author of {words}");
        events.push(new_event(sent)?);
    }
    let picture = Picture::of(&on.second_handle(), room).await?;
    ensure_eq!(picture.log, events, "the log");
    ensure_eq!(picture.head, events[2].position, "where the log ends");
    ensure_eq!((picture.message_count, picture.user_count), (3, 1), "messages and users");
    ensure_eq!(picture.users, vec![ann.user().clone()], "the users");
    let messages: Vec<_> = events.iter().map(|event| event.message.clone()).collect();
    ensure_eq!(picture.messages, messages, "the messages");
    for event in &events {
        ensure_eq!(listener.event().await?, *event, "the announcement");
    }
    is_current(&store, &mut ann).await
}

pub async fn a_send_whose_answer_was_lost_is_repeated_with_its_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Wallet::of("ann"));
    store.send(ann.ask(KEPT, true), saying(room, "before", None)).await?;
    ann.take_next();
    let first = new_event(store.send(ann.ask(KEPT, true), saying(room, "once", Some("id"))).await?)?;
    let again = ann.showing_again().ask(KEPT, true);
    let sent = on.second_handle().send(again, saying(room, "once", Some("id"))).await?;
    ensure_eq!(sent.committed, Some(Committed::Repeated(first)), "the repeat");
    ensure!(matches!(sent.admitted, Admitted::Repeated(..)), "the author of the repeat: {:?}", sent.admitted);
    ensure_eq!(messages_of(&store, room).await?.len(), 2, "messages");
    ann.take_next();
    is_current(&store, &mut ann).await
}

pub async fn a_send_by_whom_is_not_admitted_leaves_no_trace(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Wallet::of("ann"));
    store.send(ann.ask(KEPT, true), saying(room, "before", None)).await?;
    ann.take_next();
    let before = Picture::of(&store, room).await?;
    for (stranger, expected) in [(Wallet::of("ann"), Admitted::WrongToken), (Wallet::of("bob"), Admitted::Unknown)] {
        let sent = store.send(stranger.ask(KEPT, false), saying(room, "no", None)).await?;
        ensure_eq!(sent, Sent { admitted: expected, committed: None }, "a send by a stranger");
    }
    ensure_eq!(Picture::of(&store, room).await?, before, "the room");
    is_current(&store, &mut ann).await
}

pub async fn a_refused_send_leaves_a_newcomer_unknown_and_a_known_user_its_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, mut ann) = (room(&store).await?, Wallet::of("ann"));
    store.send(ann.ask(KEPT, true), saying(room, "before", None)).await?;
    ann.take_next();
    let before = Picture::of(&store, room).await?;
    let full = || NewMessage { limits: RoomLimits { messages: 1, ..ROOMY }, ..saying(room, "no", None) };
    let nowhere = || saying(RoomId::random(), "no", None);
    for name in ["bob", "cid"] {
        let newcomer = Wallet::of(name);
        ensure_refused!(store.send(newcomer.ask(KEPT, true), full()).await, StoreError::Full, "a full room");
        ensure_refused!(store.send(newcomer.ask(KEPT, true), nowhere()).await, StoreError::NotFound, "no room");
        let asked = on.second_handle().authenticate(newcomer.ask(KEPT, false)).await?;
        ensure_eq!(asked, Admitted::Unknown, "a newcomer whose first message was refused");
    }
    ensure_refused!(store.send(ann.ask(KEPT, true), full()).await, StoreError::Full, "a full room");
    ann.take_next();
    ensure_eq!(Picture::of(&store, room).await?, before, "the room");
    is_current(&store, &mut ann).await
}

pub async fn sends_of_one_user_and_many_at_once_are_each_in_the_log_once(on: &dyn Fixture) -> Outcome {
    const EACH: usize = 10;
    let store = on.store();
    let (one, other) = (room(&store).await?, room(&store).await?);
    let all = side_by_side((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move {
            let mut wallet = Wallet::of(&format!("user {n}"));
            for i in 0..EACH {
                let room = if i % 2 == 0 { one } else { other };
                store.send(wallet.ask(KEPT, true), saying(room, &format!("{n}, {i}"), None)).await?;
                wallet.take_next();
            }
            Ok::<_, StoreError>(())
        }
    }))
    .await;
    all.into_iter().collect::<Result<Vec<_>, _>>()?;
    for room in [one, other] {
        let picture = Picture::of(&store, room).await?;
        ensure_eq!((picture.message_count, picture.user_count), (20 * EACH as u64 / 2, 20), "messages and users");
        ensure_eq!(picture.messages.len(), 20 * EACH / 2, "messages");
        ensure_eq!(picture.users.len(), 20, "users");
        for (place, event) in picture.log.iter().enumerate() {
            ensure_eq!((event.position.seq.0, event.message.id.index), (place as u64 + 1, place as u64), "an entry");
        }
        ensure_eq!(picture.log.last().map(|event| event.position), Some(picture.head), "where the log ends");
    }
    Ok(())
}

pub async fn contract_12_of_two_first_sends_at_once_the_refusal_of_one_does_not_undo_the_other(
    on: &dyn Fixture,
) -> Outcome {
    let store = on.store();
    let (full, roomy) = (room(&store).await?, room(&store).await?);
    new(&store, send(full, &named_user("ann"), "the only one")).await?;
    for n in 0..30 {
        let name = format!("newcomer {n}");
        let newcomer = Wallet::with_own_token(&name);
        let again = newcomer.showing_again();
        let (one, other) = (on.store(), on.second_handle());
        let (asks, asks_again) = (newcomer.ask(KEPT, true), again.ask(KEPT, true));
        let (refused, accepted) = tokio::join!(
            one.send(asks, NewMessage { limits: RoomLimits { messages: 1, ..ROOMY }, ..saying(full, "no", None) }),
            other.send(asks_again, saying(roomy, "yes", None)),
        );
        ensure_refused!(refused, StoreError::Full, "the send to a full room");
        let accepted = accepted?;
        ensure!(accepted.committed.is_some(), "the other send was not accepted: {:?}", accepted.admitted);
        let claimed = store.authenticate(Wallet::of(&name).ask(KEPT, true)).await?;
        ensure_eq!(claimed, Admitted::WrongToken, "somebody else who claims the id of an accepted message's author");
        let known = store.authenticate(newcomer.showing_again().ask(KEPT, false)).await?;
        ensure!(matches!(known, Admitted::Repeated(..)), "the author of the accepted message: {known:?}");
    }
    Ok(())
}
