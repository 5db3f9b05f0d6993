//! Clause 7: the feed, and that a reader behind it misses nothing.

use livechat::hub::Hub;
use livechat::store::FeedItem;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_7_a_watched_room_is_announced(on: &dyn Fixture) -> Outcome {
    // Written here and heard there, as on two nodes.
    let (here, there) = (on.store(), on.second_handle());
    for _ in 0..5 {
        let room = room(&here).await?;
        let mut listener = Listener::to(on, &there, room).await?;
        let sent = new(&here, send_as(room, &named_user("ann"), "hello", "one")).await?;
        ensure_eq!(listener.event().await?, sent, "what was announced of a send");
        let edited = new(&here, edit(&sent.message, "changed")).await?;
        ensure_eq!(listener.event().await?, edited, "what was announced of an edit");
        let deleted = new(&here, delete(&edited.message)).await?;
        ensure_eq!(listener.event().await?, deleted, "what was announced of a delete");
    }
    Ok(())
}

pub async fn contract_7_every_feed_gets_every_announcement(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let (one, two) = (room(&store).await?, room(&store).await?);
    let mut listeners = Vec::new();
    for room in [one, one, two, two] {
        listeners.push((room, Listener::to(on, &store, room).await?));
    }
    let mut sent = Vec::new();
    for n in 0..20 {
        let room = if n % 3 == 0 { one } else { two };
        sent.push(new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?);
    }
    for (room, listener) in &mut listeners {
        for event in sent.iter().filter(|event| event.room() == *room) {
            ensure_eq!(listener.event().await?, *event, "an announcement");
        }
    }
    Ok(())
}

pub async fn contract_7_a_room_can_be_watched_again(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    store.unsubscribe(room);
    let mut listener = Listener::to(on, &store, room).await?;
    for n in 0..5 {
        store.subscribe(room).await?;
        store.unsubscribe(room);
        store.unsubscribe(room);
        store.subscribe(room).await?;
        let sent = new(&store, send(room, &named_user("ann"), &format!("words {n}"))).await?;
        ensure_eq!(listener.event().await?, sent, "an announcement after watching again");
    }
    Ok(())
}

pub async fn contract_7_a_feed_that_lost_something_says_so(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let mut listener = Listener::to(on, &store, room).await?;
    let first = new(&store, send(room, &named_user("ann"), "before")).await?;
    ensure_eq!(listener.event().await?, first, "the announcement before");
    on.cut_feeds().await;
    new(&store, send(room, &named_user("ann"), "after")).await?;
    loop {
        match listener.next().await? {
            announcement if is_resync(&announcement, room) => return Ok(()),
            FeedItem::Event(event) if event.room() == room => {
                return Err(Breach("the feed goes on after a cut without a Resync".into()));
            }
            // Of rooms nobody watches, a feed may tell.
            _ => {}
        }
    }
}

pub async fn contract_7_a_feed_goes_on_after_a_cut(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let mut listener = Listener::to(on, &store, room).await?;
    let first = new(&store, send(room, &named_user("ann"), "before")).await?;
    ensure_eq!(listener.event().await?, first, "the announcement before");
    on.cut_feeds().await;
    let lost = new(&store, send(room, &named_user("ann"), "maybe lost")).await?;
    while !is_resync(&listener.next().await?, room) {}
    let behind = store.read_log(room, first.position, 10).await?;
    ensure_eq!(behind, std::slice::from_ref(&lost), "the log after the cut");
    let next = new(&store, send(room, &named_user("ann"), "not lost")).await?;
    let mut announced = listener.event().await?;
    if announced == lost {
        announced = listener.event().await?;
    }
    ensure_eq!(announced, next, "the announcement after the Resync");
    Ok(())
}

pub async fn contract_7_a_slow_reader_misses_nothing(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.second_handle());
    let mut reader = Follower::of(on, &hub, room, None).await?;
    reader.gets(&[new(&store, send(room, &named_user("ann"), "first")).await?]).await?;
    // The reader stands still while all of these are sent.
    let sends = (0..300).map(|n| store.commit(send(room, &named_user("ann"), &format!("words {n}"))));
    futures_util::future::try_join_all(sends).await?;
    reader.gets(&log_of(&store, room).await?[1..]).await?;
    hub.close().await;
    Ok(())
}

pub async fn contract_7_a_reader_misses_nothing_over_a_cut(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let hub = Hub::start(on.store());
    let mut reader = Follower::of(on, &hub, room, None).await?;
    reader.gets(&[new(&store, send(room, &named_user("ann"), "before")).await?]).await?;
    on.cut_feeds().await;
    let mut sent = Vec::new();
    for n in 0..3 {
        sent.push(new(&store, send(room, &named_user("ann"), &format!("after {n}"))).await?);
    }
    reader.gets(&sent).await?;
    hub.close().await;
    Ok(())
}
