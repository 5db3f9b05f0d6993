//! Helpers for the cases: checks and waits. Its parts build changes and read rooms.

mod changes;
mod readers;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use livechat::domain::event::Event;
use livechat::domain::page::Window;
use livechat::domain::room::RoomId;
use livechat::store::{Commit, Committed, FeedItem, RoomLimits, Store, StoreError};

pub use changes::*;
pub use readers::*;

/// A broken promise of the contract.
pub struct Breach(pub String);

pub type Outcome<T = ()> = Result<T, Breach>;

impl From<StoreError> for Breach {
    fn from(error: StoreError) -> Self {
        Self(format!("an operation failed unexpectedly: {error} ({error:?})"))
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::store::conformance::kit::Breach(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// Fails the case unless both are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                let message = format!($($message)+);
                return Err($crate::store::conformance::kit::Breach(format!("{message}: {left:?} is not {right:?}")));
            }
        }
    };
}
pub(crate) use ensure_eq;

/// Fails the case unless the operation was refused with this error.
macro_rules! ensure_refused {
    ($result:expr, $error:pat, $($message:tt)+) => {
        match $result {
            Err($error) => {}
            other => {
                let message = format!($($message)+);
                let expected = stringify!($error);
                return Err($crate::store::conformance::kit::Breach(format!("{message}: {other:?} instead of {expected}")));
            }
        }
    };
}
pub(crate) use ensure_refused;

/// Fails the case unless the operation was denied for this reason.
macro_rules! ensure_denied {
    ($result:expr, $denial:pat, $($message:tt)+) => {
        $crate::store::conformance::kit::ensure_refused!(
            $result,
            livechat::store::StoreError::Denied($denial),
            $($message)+
        )
    };
}
pub(crate) use ensure_denied;

pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Limits that no case reaches by accident.
pub const ROOMY: RoomLimits = RoomLimits { messages: 100_000, events: 300_000, edits: 10_000 };

/// All items of a list.
pub const ALL: Window = Window { after: None, before: None, take: livechat::domain::page::Take::First(1_000_000) };

/// Commits a change, which must be new.
pub async fn commit_new(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::New(event) => Ok(event),
        Committed::Repeated(event) => Err(Breach(format!("a new change was treated as a repeat of {event:?}"))),
    }
}

/// Commits a change, which must be a repeat.
pub async fn commit_repeated(store: &Arc<dyn Store>, commit: Commit) -> Outcome<Event> {
    match store.commit(commit).await? {
        Committed::Repeated(event) => Ok(event),
        Committed::New(event) => Err(Breach(format!("a repeat was treated as new: {event:?}"))),
    }
}

/// Whether subscribers of the room must read its log again.
pub fn is_resync(item: &FeedItem, room: RoomId) -> bool {
    match item {
        FeedItem::Resync => true,
        FeedItem::ResyncOf(rooms) => rooms.contains(&room),
        _ => false,
    }
}

/// Waits for `future`, which must finish within `timeout`.
pub async fn with_timeout<T>(timeout: Duration, what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    tokio::time::timeout(timeout, future).await.map_err(|_| Breach(format!("{what} did not come within {timeout:?}")))
}

/// Runs all futures concurrently. Returns their results in the same order.
pub async fn run_concurrently<T, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("no panic in a task of a case"));
    }
    results
}

/// Sends this many messages to a new room.
pub async fn send_many(store: &Arc<dyn Store>, messages: usize) {
    const CONCURRENCY: usize = 256;
    let room = room(store).await.expect("a room");
    let author = named_user("busy");
    for sent in (0..messages).step_by(CONCURRENCY) {
        let sends = (sent..messages.min(sent + CONCURRENCY)).map(|_| store.commit(send(room, &author, "blah")));
        for sent in futures_util::future::join_all(sends).await {
            sent.expect("a commit");
        }
    }
}
