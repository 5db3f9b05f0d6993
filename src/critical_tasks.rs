//! Tasks without which the process cannot work.
//!
//! When one of them panics, the process ends with an error, so that its supervisor restarts it. A panic while serving a
//! request is caught there and does not get this far.

use tokio_util::sync::CancellationToken;

/// A group of tasks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CriticalTasks(CancellationToken);

impl CriticalTasks {
    /// Runs a task. If it panics, the group has failed.
    pub async fn task(self, task: impl Future<Output = ()>) {
        let fail_on_panic = self.0.drop_guard();
        task.await;
        fail_on_panic.disarm();
    }

    /// Runs the work of a thread. If it panics, the group has failed.
    pub fn thread(self, work: impl FnOnce()) {
        let fail_on_panic = self.0.drop_guard();
        work();
        fail_on_panic.disarm();
    }

    /// Waits until one of the tasks has panicked.
    pub async fn failed(&self) {
        self.0.cancelled().await;
    }
}
