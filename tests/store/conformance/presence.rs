//! Clause 20: present users of other nodes, and typing.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::presence::{PRESENT_USERS_MAX, PresentUser, Typing};
use livechat::domain::room::RoomId;
use livechat::domain::user::Role;
use livechat::store::{FeedItem, PresenceReport, Store};

use super::fixture::Fixture;
use super::kit::*;

fn present(name: &str) -> PresentUser {
    PresentUser { user: named_user(name), role: Role::Member }
}

/// A report of changes.
fn report(changed: &[&str], left: &[&str]) -> PresenceReport {
    PresenceReport {
        changed: changed.iter().map(|name| present(name)).collect(),
        left: left.iter().map(|name| named_user(name).id).collect(),
        is_complete: false,
    }
}

/// A report of all users.
fn full_report(changed: &[&str]) -> PresenceReport {
    PresenceReport { is_complete: true, ..report(changed, &[]) }
}

/// Ensures that `store` sees these users on other nodes.
async fn ensure_present(store: &Arc<dyn Store>, room: RoomId, names: &[&str]) -> Outcome {
    let seen = store.present_elsewhere(room).await?;
    ensure_eq!(seen.total, names.len() as u64, "the number of users elsewhere, with {names:?}");
    let mut seen: Vec<_> = seen.users.into_iter().map(|present| present.user.id).collect();
    let mut expected: Vec<_> = names.iter().map(|name| named_user(name).id).collect();
    seen.sort();
    expected.sort();
    ensure_eq!(seen, expected, "the users elsewhere");
    Ok(())
}

pub async fn contract_20_typing_reaches_the_feeds_of_all_nodes(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = room(&store).await?;
    let before = RoomContents::read(&store, room).await?;
    let mut feeds = [FeedReader::open(on, &store, room).await?, FeedReader::open(on, &other, room).await?];
    for (user, seconds) in [(named_user("ann"), 5), (signed_user("bob"), 0)] {
        let typing = Typing { user, remaining: Duration::from_secs(seconds) };
        store.announce_typing(room, typing.clone()).await?;
        for feed in &mut feeds {
            let seen = loop {
                match feed.next().await? {
                    FeedItem::Typing(of, seen) if of == room => break seen,
                    _ => {}
                }
            };
            ensure_eq!(seen.user, typing.user, "who is typing");
            ensure!(seen.remaining <= typing.remaining, "how long: {:?}", seen.remaining);
            ensure_eq!(seen.remaining.is_zero(), typing.remaining.is_zero(), "whether it has stopped");
        }
    }
    ensure_eq!(RoomContents::read(&other, room).await?, before, "the room");
    Ok(())
}

pub async fn contract_20_own_present_users_are_not_elsewhere(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    ensure_present(&store, room, &[]).await?;
    store.report_presence(room, full_report(&["ann", "bob"])).await?;
    ensure_present(&store, room, &[]).await?;
    store.report_presence(room, report(&["carol"], &["ann"])).await?;
    ensure_present(&store, room, &[]).await
}

pub async fn contract_20_reports_of_another_node_are_read_and_announced(on: &dyn Fixture) -> Outcome {
    let Some(there) = on.other_node() else { return Ok(()) };
    let here = on.store();
    let room = room(&here).await?;
    let mut feed = FeedReader::open(on, &here, room).await?;
    ensure!(!there.report_presence(room, report(&["ann"], &[])).await?, "the store cannot have earlier reports");
    for (report, expected) in [
        (full_report(&["ann", "bob"]), &["ann", "bob"][..]),
        (report(&["carol"], &["ann"]), &["bob", "carol"]),
        (full_report(&["dora"]), &["dora"]),
        (report(&[], &["dora", "nobody"]), &[]),
    ] {
        there.report_presence(room, report).await?;
        while !matches!(feed.next().await?, FeedItem::PresenceChanged(of) if of == room) {}
        ensure_present(&here, room, expected).await?;
        ensure_present(&there, room, &[]).await?;
    }
    let owner = PresentUser { user: signed_user("ann"), role: Role::Owner };
    let report = PresenceReport { changed: vec![owner.clone()], left: vec![], is_complete: true };
    there.report_presence(room, report).await?;
    ensure_eq!(here.present_elsewhere(room).await?.users, [owner], "an owner with a picture");
    Ok(())
}

pub async fn contract_20_the_list_of_present_users_is_bounded_and_all_are_counted(on: &dyn Fixture) -> Outcome {
    let Some(there) = on.other_node() else { return Ok(()) };
    let here = on.store();
    let room = room(&here).await?;
    let names: Vec<_> = (0..PRESENT_USERS_MAX + 50).map(|n| format!("user {n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    there.report_presence(room, full_report(&names)).await?;
    let seen = here.present_elsewhere(room).await?;
    ensure_eq!((seen.users.len(), seen.total), (PRESENT_USERS_MAX, names.len() as u64), "listed and counted");
    // Users who are here, too, are only counted if they are listed: this node counts them.
    here.report_presence(room, full_report(&names)).await?;
    let seen = here.present_elsewhere(room).await?;
    ensure_eq!((seen.users.len(), seen.total), (PRESENT_USERS_MAX, PRESENT_USERS_MAX as u64), "with all of them here");
    Ok(())
}

pub async fn contract_20_a_report_that_is_not_repeated_expires(on: &dyn Fixture) -> Outcome {
    let Some(there) = on.other_node() else { return Ok(()) };
    let here = on.store();
    let room = room(&here).await?;
    there.report_presence(room, full_report(&["ann"])).await?;
    ensure!(there.report_presence(room, report(&["bob"], &[])).await?, "the store has the earlier report");
    ensure_present(&here, room, &["ann", "bob"]).await?;
    let expired = async {
        while here.present_elsewhere(room).await?.total > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Outcome::Ok(())
    };
    with_timeout(on.timeout(), "the expiry of a report", expired).await??;
    ensure!(!there.report_presence(room, report(&[], &[])).await?, "the store has no earlier report any more");
    Ok(())
}
