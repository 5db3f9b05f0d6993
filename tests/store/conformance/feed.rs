//! Clause 7: the feed, and that its subscribers miss nothing.

use livechat::domain::event::Event;
use livechat::domain::room::RoomId;
use livechat::hub::Hub;
use livechat::store::FeedItem;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_7_a_feed_delivers_the_events_of_a_subscribed_room(on: &dyn Fixture) -> Outcome {
    // Written on one node and received on the other.
    let (here, there) = (on.store(), on.second_handle());
    for _ in 0..5 {
        let room = room(&here).await?;
        let mut feed = FeedReader::open(on, &there, room).await?;
        let sent = commit_new(&here, send_with_id(room, &named_user("ann"), "hello", "one")).await?;
        ensure_eq!(feed.event().await?, sent, "the event of a send");
        let edited = commit_new(&here, edit(message_of(&sent), "changed")).await?;
        ensure_eq!(feed.event().await?, edited, "the event of an edit");
        let deleted = commit_new(&here, delete(message_of(&edited))).await?;
        ensure_eq!(feed.event().await?, deleted, "the event of a deletion");
    }
    Ok(())
}

pub async fn contract_7_every_feed_gets_every_event(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    let mut feeds = Vec::new();
    for room in [one, one, two, two] {
        feeds.push((room, FeedReader::open(on, &store, room).await?));
    }
    let mut sent = Vec::new();
    for n in 0..20 {
        let room = if n % 3 == 0 { one } else { two };
        sent.push(commit_new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?);
    }
    for (room, feed) in &mut feeds {
        for event in sent.iter().filter(|event| event.room == *room) {
            ensure_eq!(feed.event().await?, *event, "an event");
        }
    }
    Ok(())
}

pub async fn contract_7_a_room_can_be_subscribed_again(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    store.unsubscribe(room);
    let mut feed = FeedReader::open(on, &store, room).await?;
    for n in 0..5 {
        store.subscribe(room).await?;
        store.unsubscribe(room);
        store.unsubscribe(room);
        store.subscribe(room).await?;
        let sent = commit_new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?;
        ensure_eq!(feed.event().await?, sent, "an event after a new subscription");
    }
    Ok(())
}

/// Reads the first event of a room from a feed, and cuts the feed. Returns the room, the feed and the event.
async fn cut_feed(on: &dyn Fixture) -> Outcome<(RoomId, FeedReader, Event)> {
    let store = on.store();
    let room = room(&store).await?;
    let mut feed = FeedReader::open(on, &store, room).await?;
    let first = commit_new(&store, send(room, &named_user("ann"), "before")).await?;
    ensure_eq!(feed.event().await?, first, "the event before the cut");
    on.cut_feeds().await;
    Ok((room, feed, first))
}

pub async fn contract_7_a_feed_that_lost_events_yields_a_resync(on: &dyn Fixture) -> Outcome {
    let (store, (room, mut feed, _)) = (on.store(), cut_feed(on).await?);
    commit_new(&store, send(room, &named_user("ann"), "after")).await?;
    loop {
        match feed.next().await? {
            item if is_resync(&item, room) => return Ok(()),
            FeedItem::Event(event) if event.room == room => {
                return Err(Breach("the feed continues after a cut without a Resync".into()));
            }
            // A feed may deliver events of rooms without a subscription.
            _ => {}
        }
    }
}

pub async fn contract_7_a_feed_continues_after_a_cut(on: &dyn Fixture) -> Outcome {
    let (store, (room, mut feed, first)) = (on.store(), cut_feed(on).await?);
    let lost = commit_new(&store, send(room, &named_user("ann"), "maybe lost")).await?;
    while !is_resync(&feed.next().await?, room) {}
    let behind = store.read_log(room, first.position, 10).await?;
    ensure_eq!(behind, std::slice::from_ref(&lost), "the log after the cut");
    let next = commit_new(&store, send(room, &named_user("ann"), "not lost")).await?;
    let mut received = feed.event().await?;
    if received == lost {
        received = feed.event().await?;
    }
    ensure_eq!(received, next, "the event after the Resync");
    Ok(())
}

pub async fn contract_7_a_slow_subscriber_misses_nothing(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.second_handle());
    let mut follower = Follower::open(on, &hub, room, None).await?;
    follower.expect_events(&[commit_new(&store, send(room, &named_user("ann"), "first")).await?]).await?;
    // The subscriber does not read while these are sent.
    let sends = (0..300).map(|n| store.commit(send(room, &named_user("ann"), &format!("words {n}"))));
    futures_util::future::try_join_all(sends).await?;
    follower.expect_events(&log_of(&store, room).await?[1..]).await?;
    hub.close().await;
    Ok(())
}

pub async fn contract_7_a_subscriber_misses_nothing_over_a_cut(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.store());
    let mut follower = Follower::open(on, &hub, room, None).await?;
    follower.expect_events(&[commit_new(&store, send(room, &named_user("ann"), "before")).await?]).await?;
    on.cut_feeds().await;
    let mut sent = Vec::new();
    for n in 0..3 {
        sent.push(commit_new(&store, send(room, &named_user("ann"), &format!("after {n}"))).await?);
    }
    follower.expect_events(&sent).await?;
    hub.close().await;
    Ok(())
}
