//! Tasks that run to their end even if their caller is dropped.
//!
//! A dropped future stops at the await that it has reached. Clients disconnect and deadlines pass at any moment, so work of
//! several steps that must not stop half-way runs in its own task, and the caller only waits for the result.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// A bounded set of tasks. Clones share it.
#[derive(Clone, Debug)]
pub struct DetachedTasks {
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
    /// How long each task may take.
    deadline: Duration,
    /// Aborts the tasks that are still running.
    abort: CancellationToken,
}

/// Why a task has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// Nothing was started.
    #[error("too many tasks are running")]
    Overloaded,
    /// The task was started and did not end in time, or the process is stopping.
    #[error("the task did not end in time")]
    TimedOut,
    /// The task was started and panicked; the panic is in the log.
    #[error("the task panicked")]
    Panicked,
}

impl DetachedTasks {
    /// At most `max_tasks` run at a time, each for `deadline` at most.
    pub fn new(max_tasks: usize, deadline: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(max_tasks.min(Semaphore::MAX_PERMITS)));
        Self { tasks: TaskTracker::new(), permits, deadline, abort: CancellationToken::new() }
    }

    /// Starts `work` in a task and waits for its result. Nothing is started before the returned future is polled; from then on
    /// the task goes on even if that future is dropped. What `work` owns, a permit for example, is released when it ends.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Interrupted> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Interrupted::Overloaded)?;
        let (deadline, abort) = (self.deadline, self.abort.clone());
        let task = async move {
            let _permit = permit;
            let within_deadline = tokio::time::timeout(deadline, work);
            abort.run_until_cancelled(within_deadline).await.and_then(Result::ok)
        };
        match self.tasks.spawn(task.in_current_span()).await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(Interrupted::TimedOut),
            Err(error) if error.is_panic() => Err(Interrupted::Panicked),
            Err(_) => Err(Interrupted::TimedOut),
        }
    }

    /// Waits until all tasks have ended. Aborts those still running after `grace`; from then on, new tasks end at once, too.
    pub async fn close(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "some tasks did not end before the server stops");
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_task_goes_on_when_its_caller_goes_away() {
        let detached_tasks = DetachedTasks::new(1, LONG);
        let (go_on, is_done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let work = {
            let (go_on, is_done) = (go_on.clone(), is_done.clone());
            async move {
                go_on.notified().await;
                is_done.store(true, Ordering::SeqCst);
            }
        };
        let caller = tokio::time::timeout(Duration::from_millis(10), detached_tasks.run(work)).await;
        assert!(caller.is_err(), "the caller should have gone away first");
        assert_eq!(detached_tasks.run(async {}).await, Err(Interrupted::Overloaded));
        go_on.notify_one();
        detached_tasks.close(LONG).await;
        assert!(is_done.load(Ordering::SeqCst));
        assert_eq!(detached_tasks.run(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn nothing_is_started_before_the_first_poll() {
        let detached_tasks = DetachedTasks::new(1, LONG);
        drop(detached_tasks.run(async { panic!("started") }));
        assert_eq!(detached_tasks.run(async { 7 }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_task_is_aborted_at_its_deadline_and_on_close() {
        let detached_tasks = DetachedTasks::new(2, LONG);
        assert_eq!(detached_tasks.run(std::future::pending::<()>()).await, Err(Interrupted::TimedOut));
        let (waiting, other) = (detached_tasks.clone(), detached_tasks.clone());
        let waiting = tokio::spawn(async move { waiting.run(std::future::pending::<()>()).await });
        tokio::task::yield_now().await;
        other.close(Duration::from_secs(1)).await;
        assert_eq!(waiting.await.expect("a task"), Err(Interrupted::TimedOut));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_releases_its_permit() {
        let detached_tasks = DetachedTasks::new(1, LONG);
        for _ in 0..2 {
            assert_eq!(detached_tasks.run(async { panic!("in the task") }).await, Err::<(), _>(Interrupted::Panicked));
        }
    }
}
