//! Completes reactions that were gathered: calls the store when the entries of a room's log are due.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::domain::room::RoomId;
use crate::store::{Store, StoreError};

/// Nodes wait up to this long more than needed, so that usually one of them does all the work.
const MAX_JITTER: Duration = Duration::from_millis(50);

/// The pause before an unavailable store is called again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The task of one watched room. Rooms without reactions have none.
#[derive(Default)]
pub(super) struct ReactionLog(Option<Task>);

struct Task {
    /// When to call the store.
    due: watch::Sender<Instant>,
    _work: AbortOnDropHandle<Option<()>>,
}

impl ReactionLog {
    /// Calls the store after `due`, and again as long as it asks for it, until `stop` is cancelled or this is dropped.
    pub(super) fn schedule(
        &mut self,
        store: &Arc<dyn Store>,
        room: RoomId,
        due: Duration,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let due = Instant::now() + due + rand::rng().random_range(Duration::ZERO..MAX_JITTER);
        let task = self.0.get_or_insert_with(|| {
            let (due, requests) = watch::channel(due);
            let work = stop.clone().run_until_cancelled_owned(run(Arc::clone(store), room, requests));
            Task { due, _work: AbortOnDropHandle::new(tasks.spawn(work)) }
        });
        task.due.send_replace(due);
    }
}

async fn run(store: Arc<dyn Store>, room: RoomId, mut requests: watch::Receiver<Instant>) {
    while requests.changed().await.is_ok() {
        let mut due = *requests.borrow_and_update();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                Ok(()) = requests.changed() => {
                    due = due.min(*requests.borrow_and_update());
                    continue;
                }
            }
            let pause = match store.log_reactions(room).await {
                Ok(Some(pause)) => pause,
                Ok(None) | Err(StoreError::NotFound) => break,
                Err(_) => RETRY_PAUSE,
            };
            due = Instant::now() + pause;
        }
    }
}
