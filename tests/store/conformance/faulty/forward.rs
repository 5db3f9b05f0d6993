//! The feed of a faulty store: that of the inner store with a fault, or with a cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use livechat::domain::event::Event;
use livechat::domain::position::Seq;
use livechat::store::{Feed, FeedItem};
use tokio::sync::broadcast;

use super::fault::Fault;

/// Capacity of a feed that ignores its lag.
const SMALL_FEED: usize = 16;

/// A burst or a cut is over when no event comes for this long.
const QUIET: Duration = Duration::from_millis(300);

/// The number that two changes share.
pub const SHARED_SEQ: Seq = Seq(5);

/// The outages that the store simulates.
#[derive(Default)]
pub struct Outages {
    pub is_cut: AtomicBool,
    pub is_down: AtomicBool,
    pub has_lost_its_log: AtomicBool,
    pub refused_reads: AtomicUsize,
}

/// Forwards the feed of the inner store, with the fault.
pub async fn forward(mut feed: Feed, fault: Fault, out: broadcast::Sender<FeedItem>, outages: Arc<Outages>) {
    let send = |item| drop(out.send(item));
    while let Some(item) = feed.next().await {
        if outages.is_cut.load(Ordering::SeqCst) {
            while let Ok(Some(_)) = tokio::time::timeout(QUIET, feed.next()).await {}
            outages.is_cut.store(false, Ordering::SeqCst);
            if fault != Fault::NoResync {
                send(FeedItem::Resync);
            }
            continue;
        }
        match (fault, item) {
            (Fault::IgnoresLag, first) => {
                let mut burst = vec![first];
                while let Ok(Some(next)) = tokio::time::timeout(QUIET, feed.next()).await {
                    if burst.len() < SMALL_FEED {
                        burst.push(next);
                    }
                }
                burst.into_iter().for_each(send);
            }
            (Fault::SharedSeq, FeedItem::Event(event)) => {
                send(FeedItem::Event(Arc::new(renumbered(Event::clone(&event)))));
            }
            (_, item) => send(item),
        }
    }
}

/// The event with the number that a store without clause 2 assigns.
pub fn renumbered(mut event: Event) -> Event {
    if event.position.seq > SHARED_SEQ {
        event.position.seq.0 -= 1;
    }
    event
}
