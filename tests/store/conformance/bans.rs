//! Clause 16: bans of users and of their addresses, and the users who join.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::EventKind;
use livechat::domain::room::RoomId;
use livechat::domain::user::{DisplayName, Role, User};
use livechat::store::{Actor, AddressHash, Denial, Reaction, RoomLimits, Store, StoreError};

use super::expiry::wait_until;
use super::fixture::Fixture;
use super::kit::*;

async fn ensure_may_send(store: &Arc<dyn Store>, room: RoomId, actor: Actor, what: &str) -> Outcome {
    match store.commit(send_by(room, actor, "hello")).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Breach(format!("{what}: {error:?}"))),
    }
}

async fn ensure_banned(store: &Arc<dyn Store>, room: RoomId, actor: Actor, what: &str) -> Outcome {
    ensure_denied!(store.commit(send_by(room, actor, "no")).await, Denial::Banned { .. }, "{what}");
    Ok(())
}

pub async fn contract_16_a_ban_forbids_everything_but_deletions(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann) = (room(&store).await?, named_user("ann"));
    let kept = into_message(commit_new(&store, send(room, &ann, "kept")).await?);
    let removed = into_message(commit_new(&store, send(room, &ann, "removed")).await?);
    let mut feed = FeedReader::open(on, &other, room).await?;
    let banned = commit_new(&store, ban(room, &ann)).await?;
    ensure_eq!(feed.event().await?, banned, "the event of the feed");
    ensure_eq!(log_of(&other, room).await?.last(), Some(&banned), "the entry");
    let EventKind::UserBanned(made) = banned.kind else { return Err(Breach(format!("{banned:?} is no ban"))) };
    ensure_eq!((&made.user, made.at, made.until), (&ann, banned.at, None), "the ban");
    ensure_eq!(made.reason.as_ref().map(|reason| reason.as_str()), Some("a reason"), "the reason");
    let before = RoomContents::read(&store, room).await?;
    for commit in [send(room, &ann, "no"), edit(&kept, "no")] {
        ensure_denied!(other.commit(commit.clone()).await, Denial::Banned { until: None }, "{commit:?}");
    }
    ensure_denied!(other.react(reaction(&kept, &ann, "👍")).await, Denial::Banned { until: None }, "a reaction");
    ensure_denied!(other.join(room, actor(&ann)).await, Denial::Banned { until: None }, "a join");
    let member = other.member(room, &ann.id, None).await?.map(|member| (member.role, member.banned_until));
    ensure_eq!(member, Some((Role::Member, Some(None))), "the banned user");
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room after what the ban forbids");
    commit_new(&other, delete(&removed)).await?;
    commit_new(&other, send(room, &named_user("bob"), "hello")).await?;
    Ok(())
}

pub async fn contract_16_a_ban_of_an_unsigned_user_covers_its_address(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann, bob) = (room(&store).await?, named_user("ann"), named_user("bob"));
    let kept = into_message(commit_new(&store, send_by(room, at_address(&bob, 2), "hello")).await?);
    commit_new(&store, send_by(room, at_address(&ann, 1), "here")).await?;
    commit_new(&other, send_by(room, at_address(&ann, 2), "there")).await?;
    // An unknown address does not replace the last known one.
    commit_new(&other, send(room, &ann, "somewhere")).await?;
    commit_new(&store, ban(room, &ann)).await?;
    let new = named_user("new");
    for store in [&store, &other] {
        ensure_banned(store, room, at_address(&ann, 9), "the user at another address").await?;
        ensure_banned(store, room, at_address(&new, 2), "a new user at the banned address").await?;
        ensure_banned(store, room, at_address(&bob, 2), "a known user at the banned address").await?;
        let edited = by(edit(&kept, "no"), at_address(&bob, 2));
        ensure_denied!(store.commit(edited).await, Denial::Banned { .. }, "an edit from the banned address");
        let mut reaction = reaction(&kept, &new, "👍");
        reaction.actor = at_address(&new, 2);
        ensure_denied!(store.react(reaction).await, Denial::Banned { .. }, "a reaction from the banned address");
        ensure_denied!(store.join(room, at_address(&new, 2)).await, Denial::Banned { .. }, "a join from there");
        ensure_may_send(store, room, at_address(&named_user("carol"), 1), "the address before the last").await?;
        ensure_may_send(store, room, at_address(&signed_user("dora"), 2), "a signed user").await?;
        ensure_may_send(store, room, by_owner_at(2), "an owner").await?;
        let member = store.member(room, &bob.id, Some(AddressHash([2; 16]))).await?;
        ensure_eq!(member.map(|member| member.banned_until), Some(Some(None)), "the known user at the banned address");
    }
    ensure_eq!(store.bans(room, None, 10).await?.total, 1, "the bans");
    Ok(())
}

fn by_owner_at(address: u8) -> Actor {
    Actor { is_owner: true, ..at_address(&named_user("the owner"), address) }
}

pub async fn contract_16_edits_and_reactions_renew_the_address(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = room(&store).await?;
    let target = into_message(commit_new(&store, send(room, &named_user("bob"), "hello")).await?);
    let (editor, reactor) = (named_user("editor"), named_user("reactor"));
    let sent = into_message(commit_new(&store, send_by(room, at_address(&editor, 1), "from the first")).await?);
    commit_new(&other, by(edit(&sent, "from the second"), at_address(&editor, 2))).await?;
    store.join(room, at_address(&reactor, 3)).await?;
    // The second reaction changes nothing but the address.
    for address in [4, 5] {
        let actor = at_address(&reactor, address);
        other.react(Reaction { actor, ..reaction(&target, &reactor, "👍") }).await?;
    }
    for user in [&editor, &reactor] {
        commit_new(&store, ban(room, user)).await?;
    }
    for address in [2, 5] {
        ensure_banned(&other, room, at_address(&named_user("new"), address), "the last address").await?;
    }
    for address in [1, 3, 4] {
        let user = named_user(&format!("user {address}"));
        ensure_may_send(&store, room, at_address(&user, address), "an earlier address").await?;
    }
    Ok(())
}

pub async fn contract_16_a_member_is_banned_where_it_is_now(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann, bob, carol) = (room(&store).await?, named_user("ann"), named_user("bob"), named_user("carol"));
    let signed = signed_user("dora");
    commit_new(&store, send_by(room, at_address(&ann, 1), "hello")).await?;
    store.join(room, at_address(&bob, 1)).await?;
    store.join(room, at_address(&carol, 2)).await?;
    store.join(room, at_address(&signed, 2)).await?;
    commit_new(&store, ban(room, &ann)).await?;
    let everywhere = [None, Some(1), Some(2)];
    // Bob has left the banned address, and Carol and Dora may have come there.
    let expected =
        [(&ann, [true; 3]), (&bob, [false, true, false]), (&carol, [false, true, false]), (&signed, [false; 3])];
    for (user, are_banned) in expected {
        for (address, is_banned) in everywhere.into_iter().zip(are_banned) {
            let member = other.member(room, &user.id, address.map(|number| AddressHash([number; 16]))).await?;
            let banned_until = member.and_then(|member| member.banned_until);
            ensure_eq!(banned_until, is_banned.then_some(None), "the ban of {:?} at {address:?}", user.id);
        }
    }
    Ok(())
}

pub async fn contract_16_a_ban_of_a_signed_user_leaves_its_address_alone(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, signed_user("ann"));
    commit_new(&store, send_by(room, at_address(&ann, 1), "hello")).await?;
    commit_new(&store, ban(room, &ann)).await?;
    for store in [on.store(), on.second_handle()] {
        ensure_banned(&store, room, at_address(&ann, 2), "the user").await?;
        ensure_may_send(&store, room, at_address(&named_user("bob"), 1), "an unsigned user at its address").await?;
        ensure_may_send(&store, room, at_address(&signed_user("bob"), 1), "a signed user at its address").await?;
    }
    Ok(())
}

pub async fn contract_16_an_unknown_address_is_never_banned(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann) = (room(&store).await?, named_user("ann"));
    commit_new(&store, send(room, &ann, "hello")).await?;
    commit_new(&store, ban(room, &ann)).await?;
    for store in [on.store(), on.second_handle()] {
        ensure_banned(&store, room, actor(&ann), "the user").await?;
        ensure_may_send(&store, room, actor(&named_user("bob")), "another user at an unknown address").await?;
        ensure_may_send(&store, room, at_address(&named_user("carol"), 0), "a user at a known address").await?;
    }
    Ok(())
}

pub async fn contract_16_an_owner_cannot_be_banned(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, ann, bob) = (room(&store).await?, named_user("ann"), named_user("bob"));
    commit_new(&store, send_by(room, owner(&ann), "hello")).await?;
    store.join(room, owner(&bob)).await?;
    let before = RoomContents::read(&store, room).await?;
    for user in [&ann, &bob] {
        ensure_denied!(on.second_handle().commit(ban(room, user)).await, Denial::IsOwner, "a ban of {:?}", user.id);
    }
    ensure_eq!(RoomContents::read(&store, room).await?, before, "the room");
    ensure_eq!(store.bans(room, None, 10).await?.total, 0, "the bans");
    Ok(())
}

pub async fn contract_16_a_lifted_ban_forbids_nothing(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann, bob) = (room(&store).await?, named_user("ann"), named_user("bob"));
    for user in [&ann, &bob] {
        commit_new(&store, send_by(room, at_address(user, 1), "hello")).await?;
    }
    for user in [&ann, &bob] {
        commit_new(&other, ban(room, user)).await?;
    }
    let lifted = commit_new(&other, unban(room, &ann)).await?;
    ensure_eq!(lifted.kind, EventKind::UserUnbanned(ann.clone()), "the event");
    ensure_eq!(log_of(&store, room).await?.last(), Some(&lifted), "the entry");
    ensure_may_send(&store, room, at_address(&ann, 2), "the user").await?;
    ensure_banned(&store, room, at_address(&named_user("new"), 1), "the address, which another ban forbids").await?;
    commit_new(&store, unban(room, &bob)).await?;
    ensure_may_send(&other, room, at_address(&named_user("new"), 1), "the address").await?;
    let without = commit_new(&other, unban(room, &bob)).await?;
    ensure_eq!(without.kind, EventKind::UserUnbanned(bob.clone()), "the event without a ban");
    ensure_eq!(store.bans(room, None, 10).await?.total, 0, "the bans");
    Ok(())
}

pub async fn contract_16_an_expired_or_replaced_ban_forbids_nothing(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann) = (room(&store).await?, named_user("ann"));
    commit_new(&store, send_by(room, at_address(&ann, 1), "hello")).await?;
    commit_new(&store, ban(room, &ann)).await?;
    let short = Duration::from_secs(2);
    let replaced = commit_new(&other, ban_for(room, &ann, Some(short))).await?;
    let until = replaced.at.plus(short);
    ensure!(
        matches!(&replaced.kind, EventKind::UserBanned(ban) if ban.until == Some(until)),
        "the end of {replaced:?}"
    );
    match store.commit(send_by(room, at_address(&named_user("bob"), 1), "no")).await {
        Err(StoreError::Denied(Denial::Banned { until: end })) => ensure_eq!(end, Some(until), "the end of the denial"),
        refused => return Err(Breach(format!("a send during the ban: {refused:?}"))),
    }
    ensure_eq!(other.bans(room, None, 10).await?.total, 1, "the bans meanwhile");
    wait_until(&store, until).await?;
    for store in [&store, &other] {
        ensure_may_send(store, room, at_address(&ann, 2), "the user").await?;
        ensure_may_send(store, room, at_address(&named_user("bob"), 1), "the address").await?;
        let member = store.member(room, &ann.id, None).await?;
        ensure_eq!(member.map(|member| member.banned_until), Some(None), "the user");
        let bans = store.bans(room, None, 10).await?;
        ensure!(bans.bans.is_empty() && bans.total == 0 && !bans.more, "the bans: {bans:?}");
    }
    Ok(())
}

pub async fn contract_16_bans_are_listed_in_order(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = room(&store).await?;
    let users: Vec<_> = (0..5).map(|n| named_user(&format!("user {n}"))).collect();
    let mut made = Vec::new();
    for user in &users {
        store.join(room, at_address(user, 1)).await?;
    }
    for user in &users {
        match commit_new(&store, ban(room, user)).await?.kind {
            EventKind::UserBanned(ban) => made.push(ban),
            other => return Err(Breach(format!("{other:?} is no ban"))),
        }
    }
    let all = other.bans(room, None, 10).await?;
    ensure_eq!(all.bans.iter().map(|(_, ban)| ban.clone()).collect::<Vec<_>>(), made, "all bans");
    ensure_eq!((all.total, all.more), (5, false), "their number");
    commit_new(&store, unban(room, &users[1])).await?;
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let page = other.bans(room, after, 2).await?;
        ensure_eq!(page.total, 4, "their number after one was lifted");
        after = page.bans.last().map(|(index, _)| *index);
        pages.extend(page.bans);
        if !page.more {
            break;
        }
    }
    let mut expected = all.bans;
    let lifted = expected.remove(1);
    ensure_eq!(pages, expected, "the pages");
    let behind_lifted = other.bans(room, Some(lifted.0), 1).await?.bans;
    ensure_eq!(behind_lifted, expected[1..2], "the page after the index of a lifted ban");
    for after in [i64::MAX as u64, u64::MAX] {
        ensure!(store.bans(room, Some(after), 10).await?.bans.is_empty(), "bans after {after}");
    }
    commit_new(&store, ban(room, &users[0])).await?;
    let last = store.bans(room, None, 10).await?.bans.pop();
    ensure_eq!(last.map(|(_, ban)| ban.user), Some(users[0].clone()), "a replaced ban is the last one");
    Ok(())
}

pub async fn contract_16_only_users_of_the_room_can_be_banned(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (room, elsewhere) = (room(&store).await?, room(&store).await?);
    let (ann, bob) = (named_user("ann"), named_user("bob"));
    commit_new(&store, send(elsewhere, &ann, "hello")).await?;
    let sent = into_message(commit_new(&store, send(room, &bob, "hello")).await?);
    store.react(reaction(&sent, &ann, "👍")).await?;
    for commit in [ban(room, &ann), unban(room, &ann)] {
        ensure_refused!(store.commit(commit.clone()).await, StoreError::NoSuchTarget, "{commit:?}");
    }
    store.join(room, actor(&ann)).await?;
    let full = |commit| with_limits(commit, RoomLimits { events: 3, ..ROOMY });
    for commit in [full(ban(room, &ann)), full(unban(room, &ann))] {
        ensure_refused!(store.commit(commit.clone()).await, StoreError::Full, "{commit:?}");
    }
    commit_new(&on.second_handle(), ban(room, &ann)).await?;
    ensure_banned(&store, room, actor(&ann), "a user who has only joined").await
}

pub async fn contract_16_joining_registers_a_user_without_a_message(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let (room, ann, bob) = (room(&store).await?, named_user("ann"), named_user("bob"));
    let joined = store.join(room, actor(&ann)).await?;
    ensure_eq!((&joined.user, joined.role, joined.banned_until), (&ann, Role::Member, None), "who joined");
    ensure_eq!(joined.head, store.snapshot(room, None).await?.state.head, "the end of the log");
    let contents = RoomContents::read(&other, room).await?;
    ensure!(contents.users.is_empty() && contents.user_count == 0 && contents.log.is_empty(), "the room: {contents:?}");
    commit_new(&other, send(room, &bob, "hello")).await?;
    commit_new(&store, send(room, &ann, "hello")).await?;
    ensure_eq!(other.users(room, ALL).await?.users, [bob, ann.clone()], "the users in the order of their messages");
    let renamed = |user: &User| User { display_name: DisplayName::from_stored("renamed".into()), ..user.clone() };
    ensure_eq!(other.join(room, actor(&renamed(&ann))).await?.user, ann, "an unsigned user keeps its name");
    let carol = signed_user("carol");
    commit_new(&store, send(room, &carol, "hello")).await?;
    ensure_eq!(other.join(room, actor(&renamed(&carol))).await?.user, renamed(&carol), "a signed user does not");
    ensure_eq!(store.users(room, ALL).await?.users.last(), Some(&renamed(&carol)), "its name in the list");
    ensure_eq!(messages_of(&store, room).await?[2].author, carol, "its name with an earlier message");
    Ok(())
}
