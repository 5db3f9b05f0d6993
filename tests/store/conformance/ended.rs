//! Clause 19: ended rooms and unlisted rooms.

use std::sync::Arc;

use livechat::domain::page::Window;
use livechat::domain::position::Position;
use livechat::domain::presence::{PresentUser, Typing};
use livechat::domain::room::{RoomId, RoomSettings, RoomTitle, SettingsUpdate};
use livechat::domain::user::Role;
use livechat::store::{FeedItem, PresenceReport, Store, StoreError};

use super::fixture::Fixture;
use super::kit::*;

/// Words that are in many places of a room.
const WORDS: &str = "the-words-that-do-not-remain";

/// A room with something of each kind in it.
async fn busy_room(store: &Arc<dyn Store>) -> Outcome<RoomId> {
    let title = Some(RoomTitle::from_stored(WORDS.into()));
    let room = room_with(store, RoomSettings { title, ..RoomSettings::default() }).await?;
    let (ann, bob) = (named_user(WORDS), named_user("bob"));
    let first = into_message(commit_new(store, send_with_id(room, &ann, WORDS, WORDS)).await?);
    commit_new(store, slow_mode(room, 1)).await?;
    commit_new(store, send_by(room, at_address(&bob, 1), "hello")).await?;
    store.react(reaction(&first, &bob, "👍")).await?;
    store.react(reaction(&first, &ann, "👍")).await?;
    store.join(room, actor(&named_user("carol"))).await?;
    commit_new(store, ban(room, &bob)).await?;
    let present = PresentUser { user: ann.clone(), role: Role::Member };
    store.report_presence(room, PresenceReport { changed: vec![present], left: vec![], is_complete: true }).await?;
    store.report_viewers(&[(room, 3)]).await?;
    store.announce_typing(room, Typing { user: ann, remaining: std::time::Duration::from_secs(5) }).await?;
    Ok(room)
}

async fn ensure_absent(store: &Arc<dyn Store>, room: RoomId, log: &[Position]) -> Outcome {
    let ann = named_user(WORDS);
    ensure_refused!(store.snapshot(room, None).await, StoreError::NotFound, "the room");
    ensure_refused!(store.snapshot(room, Some(Window::only(0))).await, StoreError::NotFound, "a message");
    ensure_refused!(store.users(room, ALL).await, StoreError::NotFound, "the users");
    ensure_refused!(store.bans(room, None, 10).await, StoreError::NotFound, "the bans");
    ensure_refused!(store.member(room, &ann.id, None).await, StoreError::NotFound, "a member");
    ensure_refused!(store.join(room, actor(&ann)).await, StoreError::NotFound, "a join");
    ensure_refused!(store.reactions_by(room, &ann.id, &[0]).await, StoreError::NotFound, "reactions");
    ensure_refused!(store.log_reactions(room).await, StoreError::NotFound, "gathered reactions");
    ensure_refused!(store.end_room(room).await, StoreError::NotFound, "a second end");
    for after in log {
        ensure_refused!(store.read_log(room, *after, 10).await, StoreError::NotFound, "the log after {after:?}");
    }
    for commit in [send(room, &ann, "no"), send_with_id(room, &ann, WORDS, WORDS), lock(room, true), ban(room, &ann)] {
        ensure_refused!(store.commit(commit.clone()).await, StoreError::NotFound, "{commit:?}");
    }
    let listed = store.active_rooms(None, 100).await?;
    ensure!(listed.rooms.iter().all(|state| state.room.id != room), "the room is listed");
    ensure_eq!(listed.total, 0, "the number of rooms");
    Ok(())
}

pub async fn contract_19_an_ended_room_is_absent_everywhere_at_once(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = busy_room(&store).await?;
    // Both handles have read it, so caches know it.
    let contents = [RoomContents::read(&store, room).await?, RoomContents::read(&other, room).await?];
    let mut feeds = [FeedReader::open(on, &store, room).await?, FeedReader::open(on, &other, room).await?];
    let last = contents[0].messages.last().cloned().ok_or_else(|| Breach("no message".into()))?;
    let reaction = reaction(&last, &named_user("dora"), "👍");
    other.end_room(room).await?;
    let positions = [Position::START, contents[0].log[0].position, contents[0].head];
    for store in [&store, &other] {
        ensure_absent(store, room, &positions).await?;
        ensure_refused!(store.react(reaction.clone()).await, StoreError::NotFound, "a reaction");
    }
    for feed in &mut feeds {
        while !matches!(feed.next().await?, FeedItem::Ended(ended) if ended == room) {}
    }
    Ok(())
}

pub async fn contract_19_nothing_of_an_ended_room_remains(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = busy_room(&store).await?;
    ensure!(on.has_traces(room, WORDS).await, "this case does not find a room that is alive");
    other.end_room(room).await?;
    let gone = async {
        while on.has_traces(room, WORDS).await {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    with_timeout(on.timeout(), "the removal of what was in the room", gone).await
}

pub async fn contract_19_the_id_of_an_ended_room_is_free(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let room = busy_room(&store).await?;
    let ended = RoomContents::read(&other, room).await?;
    store.end_room(room).await?;
    let code = livechat::domain::room::RoomCode::random(6);
    other.create_room(new_room(room, &code, DAY)).await?;
    for store in [&store, &other] {
        let contents = RoomContents::read(store, room).await?;
        ensure_eq!(contents.head, Position::START, "the head of the new room");
        ensure_eq!(contents.settings, RoomSettings::default(), "its settings");
        ensure!(contents.messages.is_empty() && contents.users.is_empty(), "left: {contents:?}");
        ensure_eq!(store.bans(room, None, 10).await?.total, 0, "its bans");
        ensure_eq!(store.member(room, &named_user("carol").id, None).await?, None, "its members");
        ensure_refused!(store.read_log(room, ended.head, 10).await, StoreError::ForeignPosition, "an old position");
    }
    let first = into_message(commit_new(&store, send_with_id(room, &named_user(WORDS), "hello", WORDS)).await?);
    ensure_eq!((first.id.index, first.reactions), (0, vec![]), "the first message");
    Ok(())
}

pub async fn contract_19_an_unlisted_room_is_only_missing_from_the_list(on: &dyn Fixture) -> Outcome {
    let (store, other) = (on.store(), on.second_handle());
    let hidden = RoomSettings { listed: false, ..RoomSettings::default() };
    let (listed, unlisted) = (room(&store).await?, room_with(&store, hidden).await?);
    let set = |room, listed| update(room, SettingsUpdate { listed: Some(listed), ..SettingsUpdate::default() });
    for (expected, changes) in [
        (vec![listed], vec![]),
        (vec![listed, unlisted], vec![set(unlisted, true)]),
        (vec![unlisted], vec![set(listed, false), set(listed, false)]),
        (vec![listed], vec![set(listed, true), set(unlisted, false)]),
    ] {
        for change in changes {
            commit_new(&store, change).await?;
        }
        for store in [&store, &other] {
            let active = store.active_rooms(None, 100).await?;
            let mut rooms: Vec<_> = active.rooms.iter().map(|state| state.room.id).collect();
            let mut expected = expected.clone();
            rooms.sort();
            expected.sort();
            ensure_eq!(rooms, expected, "the listed rooms");
            ensure_eq!((active.total, active.more), (expected.len() as u64, false), "their number");
            for room in [listed, unlisted] {
                store.snapshot(room, Some(ALL)).await?;
            }
        }
    }
    commit_new(&other, send(unlisted, &named_user("ann"), "hello")).await?;
    Ok(())
}
