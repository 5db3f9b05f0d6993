//! Clause 15: rules are decided in the step of the change, settings are stored, and an owner stays one.

use std::collections::HashMap;
use std::time::Duration;

use livechat::domain::event::EventKind;
use livechat::domain::position::Seq;
use livechat::domain::room::{RoomSettings, RoomTitle, SettingsUpdate};
use livechat::domain::user::{Role, UserId};
use livechat::store::{Denial, RoomLimits, StoreError};

use super::fixture::Fixture;
use super::kit::*;

const WRITERS: usize = 50;
const BANNED: usize = 10;
const MESSAGES: usize = 10;

pub async fn contract_15_a_ban_holds_for_exactly_the_later_changes(on: &dyn Fixture) -> Outcome {
    let room = room(&on.store()).await?;
    let handle = move |n: usize| if n.is_multiple_of(2) { on.store() } else { on.second_handle() };
    let writers: Vec<_> = (0..WRITERS).map(|n| named_user(&format!("writer {n}"))).collect();
    for writer in &writers {
        commit_new(&on.store(), send(room, writer, "first")).await?;
    }
    let bans = (0..BANNED).map(|n| {
        let (store, user) = (handle(n), writers[n].clone());
        let pause = Duration::from_millis(rand::random_range(0..30));
        async move {
            tokio::time::sleep(pause).await;
            Outcome::Ok((user.id.clone(), commit_new(&store, ban(room, &user)).await?.position.seq))
        }
    });
    let sends = writers.iter().enumerate().map(|(n, writer)| {
        let (stores, writer) = ([handle(n), handle(n + 1)], writer.clone());
        async move {
            let mut accepted: Vec<Seq> = Vec::new();
            for n in 0..MESSAGES {
                match stores[n % 2].commit(send(room, &writer, &format!("words {n}"))).await {
                    Ok(sent) => accepted.push(sent.into_event().position.seq),
                    Err(StoreError::Denied(Denial::Banned { until: None })) => return Ok((accepted, true)),
                    Err(error) => return Err(Breach::from(error)),
                }
            }
            Ok((accepted, false))
        }
    });
    let bans = run_concurrently(bans);
    let (banned, sent) = tokio::join!(bans, run_concurrently(sends));
    let banned: HashMap<UserId, Seq> = banned.into_iter().collect::<Outcome<_>>()?;
    let log = log_of(&on.second_handle(), room).await?;
    for (writer, outcome) in writers.iter().zip(sent) {
        let (accepted, was_denied) = outcome?;
        let logged: Vec<Seq> = log
            .iter()
            .filter(|event| matches!(&event.kind, EventKind::Sent(message) if message.author.id == writer.id))
            .map(|event| event.position.seq)
            .skip(1)
            .collect();
        ensure_eq!(accepted, logged, "the messages of {:?}, accepted and in the log", writer.id);
        let last = accepted.last().copied().unwrap_or_default();
        match banned.get(&writer.id) {
            Some(ban) => ensure!(last < *ban, "{:?} was banned as {ban:?}, but sent {last:?}", writer.id),
            None => ensure!(!was_denied && accepted.len() == MESSAGES, "{:?} was not banned", writer.id),
        }
        if banned.contains_key(&writer.id) {
            let late = on.store().commit(send(room, writer, "late")).await;
            ensure_denied!(late, Denial::Banned { until: None }, "a send after the ban");
        }
    }
    Ok(())
}

pub async fn contract_15_a_repeat_is_recognized_before_any_rule(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let send = || send_with_id(room, &ann, "hello", "one");
    let first = commit_new(&store, send()).await?;
    for rule in [slow_mode(room, 3_600), lock(room, true), ban(room, &ann)] {
        commit_new(&store, rule.clone()).await?;
        for store in [on.store(), on.second_handle()] {
            ensure_eq!(commit_repeated(&store, send()).await?, first, "the repeat after {rule:?}");
        }
    }
    ensure_denied!(store.commit(send_with_id(room, &ann, "hello", "two")).await, Denial::Banned { .. }, "another send");
    Ok(())
}

pub async fn contract_15_a_lock_forbids_all_but_deletions(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let kept = into_message(commit_new(&store, send(room, &ann, "kept")).await?);
    let removed = into_message(commit_new(&store, send(room, &ann, "removed")).await?);
    commit_new(&store, lock(room, true)).await?;
    let before = RoomContents::read(&store, room).await?;
    for commit in [send(room, &ann, "no"), send(room, &named_user("bob"), "no"), edit(&kept, "no")] {
        ensure_denied!(other.commit(commit.clone()).await, Denial::Locked, "{commit:?}");
    }
    ensure_denied!(other.react(reaction(&kept, &ann, "👍")).await, Denial::Locked, "a reaction");
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after what the lock forbids");
    commit_new(&other, delete(&removed)).await?;
    other.join(room, actor(&named_user("carol"))).await?;
    commit_new(&other, lock(room, false)).await?;
    commit_new(&store, edit(&kept, "changed")).await?;
    store.react(reaction(&kept, &ann, "👍")).await?;
    Ok(())
}

pub async fn contract_15_rules_are_checked_in_order_before_the_target_and_the_limits(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    commit_new(&store, send(room, &ann, "hello")).await?;
    let refused = || with_limits(reply(room, &ann, "no", 7), RoomLimits { messages: 0, ..ROOMY });
    ensure_refused!(store.commit(refused()).await, StoreError::NoSuchTarget, "without rules");
    commit_new(&store, slow_mode(room, 3_600)).await?;
    let bob = by(refused(), actor(&named_user("bob")));
    ensure_refused!(store.commit(bob).await, StoreError::NoSuchTarget, "a refused message does not count in slow mode");
    commit_new(&store, lock(room, true)).await?;
    ensure_denied!(store.commit(refused()).await, Denial::Locked, "in a locked room");
    commit_new(&store, ban(room, &ann)).await?;
    ensure_denied!(store.commit(refused()).await, Denial::Banned { .. }, "by a banned user");
    Ok(())
}

pub async fn contract_15_an_owner_stays_owner_and_nothing_is_forbidden_to_it(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let settings = RoomSettings { locked: true, slow_mode_seconds: 3_600, ..RoomSettings::default() };
    let room = room_with(&store, settings).await?;
    let (ann, bob, carol) = (named_user("ann"), named_user("bob"), named_user("carol"));
    let sent = into_message(commit_new(&store, send_by(room, owner(&ann), "with the token")).await?);
    let again = into_message(commit_new(&other, send(room, &ann, "without")).await?);
    ensure_eq!((sent.author_role, again.author_role), (Role::Owner, Role::Owner), "the roles");
    let edited = into_message(commit_new(&other, edit(&again, "changed")).await?);
    ensure_eq!(edited.author_role, Role::Owner, "the role after an edit");
    other.react(reaction(&sent, &ann, "👍")).await?;
    ensure_eq!(other.join(room, owner(&bob)).await?.role, Role::Owner, "the role of one who joins");
    let sent = into_message(commit_new(&store, send(room, &bob, "hello")).await?);
    ensure_eq!(sent.author_role, Role::Owner, "the role of one who joined before");
    ensure_eq!(store.join(room, actor(&carol)).await?.role, Role::Member, "the role of a member");
    ensure_denied!(store.commit(send(room, &carol, "no")).await, Denial::Locked, "a send of a member");
    for (user, role) in [(&ann, Role::Owner), (&bob, Role::Owner), (&carol, Role::Member)] {
        let member = other.member(room, &user.id, None).await?;
        ensure_eq!(member.map(|member| (member.user, member.role)), Some((user.clone(), role)), "a member");
    }
    ensure_eq!(other.member(room, &named_user("dora").id, None).await?, None, "a user who is none of the room");
    Ok(())
}

pub async fn contract_15_settings_are_stored_and_announced(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let title = |title: &str| Some(RoomTitle::from_stored(title.to_owned()));
    let mut settings = RoomSettings {
        title: title("a title with \"all\" {kinds: 1} of ☂"),
        listed: false,
        capacity: Some(1_000_000),
        slow_mode_seconds: 5,
        locked: true,
    };
    let room = room_with(&store, settings.clone()).await?;
    ensure_eq!(other.snapshot(room, None).await?.state.settings, settings, "the settings of a new room");
    let mut feed = FeedReader::open(on, &other, room).await?;
    let nothing = SettingsUpdate::default();
    for change in [
        nothing.clone(),
        SettingsUpdate { locked: Some(false), ..nothing.clone() },
        SettingsUpdate { title: Some(title("another")), listed: Some(true), ..nothing.clone() },
        SettingsUpdate { title: Some(None), capacity: Some(None), slow_mode_seconds: Some(0), ..nothing.clone() },
        SettingsUpdate { capacity: Some(Some(1)), ..nothing },
    ] {
        settings = change.clone().apply(settings);
        let event = commit_new(&store, update(room, change.clone())).await?;
        ensure_eq!(event.kind, EventKind::RoomUpdated(settings.clone()), "the event of {change:?}");
        ensure_eq!(feed.event().await?, event, "the event of the feed");
        for store in [&store, &other] {
            ensure_eq!(store.snapshot(room, None).await?.state.settings, settings, "the settings after {change:?}");
            ensure_eq!(log_of(store, room).await?.last(), Some(&event), "the entry of {change:?}");
        }
    }
    let full = with_limits(lock(room, true), RoomLimits { events: 5, ..ROOMY });
    ensure_refused!(store.commit(full).await, StoreError::Full, "an update in a full log");
    Ok(())
}
