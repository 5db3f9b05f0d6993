//! Clause 17: slow mode.

use std::time::Duration;

use livechat::domain::room::RoomSettings;
use livechat::store::{Denial, StoreError};

use super::expiry::wait_until;
use super::fixture::Fixture;
use super::kit::*;

const SENDERS: usize = 20;

/// How many messages one user is to get through.
const MESSAGES: usize = 3;

fn settings(slow_mode_seconds: u32) -> RoomSettings {
    RoomSettings { slow_mode_seconds, ..RoomSettings::default() }
}

pub async fn contract_17_parallel_messages_keep_their_distance(on: &dyn Fixture) -> Outcome {
    let (room, ann) = (room_with(&on.store(), settings(1)).await?, named_user("ann"));
    let sent = run_concurrently((0..SENDERS).map(|n| {
        let (stores, ann) = ([on.store(), on.second_handle()], ann.clone());
        async move {
            loop {
                match stores[n % 2].commit(send(room, &ann, &format!("words {n}"))).await {
                    Ok(sent) if sent.clone().into_event().position.seq.0 >= MESSAGES as u64 => return Ok(()),
                    Ok(_) => {}
                    Err(StoreError::Denied(Denial::SlowMode { retry_after })) => {
                        ensure!(!retry_after.is_zero() && retry_after <= Duration::from_secs(1), "{retry_after:?}");
                        // All of them come back at once.
                        tokio::time::sleep(retry_after).await;
                    }
                    Err(error) => return Err(error.into()),
                }
                if stores[n % 2].snapshot(room, None).await?.state.message_count >= MESSAGES as u64 {
                    return Outcome::Ok(());
                }
            }
        }
    }));
    let sent = with_timeout(on.timeout(), "the messages in slow mode", sent).await?;
    sent.into_iter().collect::<Outcome<Vec<_>>>()?;
    let times: Vec<_> = messages_of(&on.store(), room).await?.iter().map(|message| message.created_at).collect();
    ensure!(times.len() >= MESSAGES, "only {} messages", times.len());
    for pair in times.windows(2) {
        ensure!(pair[1].since(pair[0]) >= Duration::from_secs(1), "two messages at {pair:?}");
    }
    Ok(())
}

pub async fn contract_17_a_first_message_counts_against_its_address(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = room_with(&store, settings(3_600)).await?;
    let user = |n: usize| named_user(&format!("user {n}"));
    let firsts = run_concurrently((0..8).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        async move { store.commit(send_by(room, at_address(&user(n), 1), "hello")).await }
    }));
    let accepted = firsts.await.iter().filter(|result| result.is_ok()).count();
    ensure_eq!(accepted, 1, "the first messages from one address");
    store.join(room, at_address(&user(20), 1)).await?;
    for (number, address) in [(10, 1), (20, 1)] {
        let denied = other.commit(send_by(room, at_address(&user(number), address), "no")).await;
        ensure_denied!(denied, Denial::SlowMode { .. }, "a first message from the same address");
    }
    commit_new(&other, send_by(room, at_address(&user(11), 2), "from another address")).await?;
    for n in [12, 13] {
        commit_new(&other, send(room, &user(n), "from an unknown address")).await?;
        let signed = signed_user(&format!("user {n}"));
        commit_new(&other, send_by(room, at_address(&signed, 1), "from a signed user")).await?;
        ensure_denied!(store.commit(send(room, &signed, "no")).await, Denial::SlowMode { .. }, "its second message");
    }
    Ok(())
}

pub async fn contract_17_only_messages_count_and_only_in_slow_mode(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann, carol) = (room_with(&store, settings(0)).await?, named_user("ann"), named_user("carol"));
    for n in 0..3 {
        commit_new(&store, send_by(room, at_address(&ann, 1), &format!("words {n}"))).await?;
    }
    commit_new(&store, slow_mode(room, 3_600)).await?;
    let sent = into_message(commit_new(&other, send(room, &carol, "the first in slow mode")).await?);
    let edited = into_message(commit_new(&other, edit(&sent, "changed")).await?);
    store.react(reaction(&sent, &carol, "👍")).await?;
    commit_new(&store, delete(&edited)).await?;
    ensure_denied!(store.commit(send(room, &carol, "no")).await, Denial::SlowMode { .. }, "the second message");
    // A first message before slow mode does not count against its address.
    commit_new(&store, send_by(room, at_address(&named_user("bob"), 1), "hello")).await?;
    for n in 0..3 {
        commit_new(&other, send_by(room, owner(&named_user("owner")), &format!("words {n}"))).await?;
    }
    commit_new(&other, slow_mode(room, 0)).await?;
    commit_new(&store, send(room, &ann, "after slow mode")).await?;
    Ok(())
}

pub async fn contract_17_earlier_messages_count_when_the_setting_is_raised(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = room_with(&store, settings(0)).await?;
    let [ann, bob, carol, dora] = ["ann", "bob", "carol", "dora"].map(named_user);
    let hour = Duration::from_secs(3_600);
    store.join(room, actor(&dora)).await?;
    for (n, user) in [&ann, &ann, &bob, &carol].into_iter().enumerate() {
        let sent = into_message(commit_new(&store, send(room, user, &format!("words {n}"))).await?);
        match n {
            2 => drop(commit_new(&other, edit(&sent, "\na\n\nother words")).await?),
            3 => drop(commit_new(&other, delete(&sent)).await?),
            _ => {}
        }
    }
    let last = messages_of(&store, room).await?[3].created_at;
    commit_new(&store, slow_mode(room, 1)).await?;
    wait_until(&store, last.plus(Duration::from_secs(1))).await?;
    // The pause of the lower setting is over. That of the higher one is not.
    commit_new(&other, slow_mode(room, 3_600)).await?;
    for user in [&ann, &bob, &carol] {
        for store in [&store, &other] {
            match store.commit(send(room, user, "no")).await {
                Err(StoreError::Denied(Denial::SlowMode { retry_after })) => {
                    ensure!(retry_after < hour && retry_after > hour / 2, "{:?}: {retry_after:?}", user.id);
                }
                sent => return Err(Breach(format!("a message of {:?} soon after another: {sent:?}", user.id))),
            }
        }
    }
    commit_new(&other, send(room, &dora, "the first message")).await?;
    commit_new(&store, send_by(room, owner(&ann), "an owner is exempt")).await?;
    Ok(())
}

pub async fn contract_17_a_denied_message_does_not_extend_the_pause(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room_with(&store, settings(3)).await?, named_user("ann"));
    let first = commit_new(&store, send(room, &ann, "one")).await?;
    for _ in 0..3 {
        ensure_denied!(store.commit(send(room, &ann, "no")).await, Denial::SlowMode { .. }, "a second message");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    wait_until(&store, first.at.plus(Duration::from_secs(3))).await?;
    commit_new(&on.second_handle(), send(room, &ann, "two")).await?;
    Ok(())
}
